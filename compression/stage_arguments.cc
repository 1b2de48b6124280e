#include "compression/stage_arguments.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace tern::compression {

std::string CheckArgumentCount(const StageSpec& stage, const ArgumentCount& expected) {
  const size_t count = stage.arguments.size();
  if (count >= expected.min && count <= expected.max) return "";
  return absl::StrCat("has ", count, " arguments, expected ", expected.names);
}

std::string CheckWholeNumber(absl::string_view name, double argument, int64_t min, int64_t max) {
  if (argument >= static_cast<double>(min) && argument <= static_cast<double>(max) &&
      argument == std::floor(argument)) {
    return "";
  }
  return absl::StrCat(name, " is ", argument, ", expected a whole number from ", min, " to ", max);
}

std::string CheckOption(const StageSpec& stage, absl::string_view allowed) {
  if (stage.option.empty() || stage.option == allowed) return "";
  return absl::StrCat("option is '", stage.option, "', expected ", allowed,
                      allowed.empty() ? "none" : " or none");
}

}  // namespace tern::compression
