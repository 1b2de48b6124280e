#include "compression/zstd.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace tern::compression {

std::string CheckZstdArguments(const StageSpec& stage) {
  if (stage.arguments.size() > 1 || !stage.option.empty()) {
    return "has other arguments than a level, expected a number or none";
  }
  if (stage.arguments.empty()) return "";
  const double level = stage.arguments[0];
  if (level >= 1 && level <= 19 && level == std::floor(level)) return "";
  return absl::StrCat("level is ", level, ", expected a whole number from 1 to 19");
}

}  // namespace tern::compression
