#include "compression/randk.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compression/stage_arguments.h"

namespace tern::compression {

std::string CheckRandKArguments(const StageSpec& stage) {
  std::string problem = CheckArgumentCount(stage, {.min = 1, .max = 1, .names = "one: fraction"});
  if (problem.empty()) problem = CheckOption(stage, "unbiased");
  if (!problem.empty()) return problem;
  const double fraction = stage.arguments[0];
  if (fraction > 0.0 && fraction <= 1.0) return "";
  return absl::StrCat("fraction is ", fraction, ", expected above 0, at most 1");
}

RandKStratum::RandKStratum(double fraction, int64_t count, int64_t index)
    : begin(index * kRandKStratum), end(std::min(begin + kRandKStratum, count)) {
  const auto kept_until = [fraction](int64_t coordinate) {
    return static_cast<int64_t>(std::ceil(fraction * static_cast<double>(coordinate)));
  };
  kept = std::clamp(kept_until(end) - kept_until(begin), int64_t{1}, end - begin);
}

KeptRange RandKKept(const StageSpec& stage, const CodecContext& context) {
  int64_t kept = 0;
  for (int64_t index = 0; index * kRandKStratum < context.count; ++index) {
    kept += RandKStratum(stage.arguments[0], context.count, index).kept;
  }
  return {.min = kept, .max = kept};
}

}  // namespace tern::compression
