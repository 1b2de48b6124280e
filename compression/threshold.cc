#include "compression/threshold.h"

#include "absl/strings/str_cat.h"
#include "compression/magnitude.h"
#include "compression/stage_arguments.h"

namespace tern::compression {

std::string CheckThresholdArguments(const StageSpec& stage) {
  std::string problem = CheckArgumentCount(stage, {1, 1, "one: magnitude"});
  if (problem.empty()) problem = CheckOption(stage, "");
  if (!problem.empty()) return problem;
  const double magnitude = stage.arguments[0];
  // A float that is not 0.
  if (magnitude <= double{kLargestFinite} && static_cast<float>(magnitude) > 0.0f) return "";
  return absl::StrCat("magnitude is ", magnitude, ", expected above 0, a 32-bit float");
}

}  // namespace tern::compression
