#include "compression/topk.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "compression/stage_arguments.h"

namespace tern::compression {

std::string CheckTopKArguments(const StageSpec& stage) {
  std::string problem = CheckArgumentCount(stage, {1, 2, "one or two: fraction, floor"});
  if (problem.empty()) problem = CheckOption(stage, "");
  if (!problem.empty()) return problem;
  const double fraction = stage.arguments[0];
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    return absl::StrCat("fraction is ", fraction, ", expected above 0, at most 1");
  }
  if (stage.arguments.size() == 1) return "";
  return CheckWholeNumber("floor", stage.arguments[1], 1, kMaxSparseCount);
}

int64_t TopKOfVector(double fraction, int64_t floor, int64_t size) {
  const auto kept = static_cast<int64_t>(std::ceil(fraction * static_cast<double>(size)));
  return std::min(std::max({kept, floor, int64_t{1}}), size);
}

KeptRange TopKKept(const StageSpec& stage, const CodecContext& context) {
  const double fraction = stage.arguments[0];
  int64_t kept = 0;
  if (stage.arguments.size() == 1) {
    kept = TopKOfVector(fraction, 0, context.count);
  } else {
    const auto floor = static_cast<int64_t>(stage.arguments[1]);
    if (context.tensor_sizes.empty()) kept = TopKOfVector(fraction, floor, context.count);
    for (const int64_t size : context.tensor_sizes) kept += TopKOfVector(fraction, floor, size);
  }
  return {.min = kept, .max = kept};
}

}  // namespace tern::compression
