#include "compression/qsgd.h"

#include "absl/strings/str_cat.h"
#include "compression/stage_arguments.h"

namespace tern::compression {
namespace {

constexpr int64_t kMinBucket = 64;
constexpr int64_t kMaxBucket = 1024;

}  // namespace

std::string CheckQsgdArguments(const StageSpec& stage) {
  std::string problem = CheckArgumentCount(stage, {2, 2, "two: levels, bucket"});
  if (problem.empty()) problem = CheckWholeNumber("levels", stage.arguments[0], 1, 127);
  if (problem.empty()) problem = CheckOption(stage, "");
  if (!problem.empty()) return problem;
  for (int64_t bucket = kMinBucket; bucket <= kMaxBucket; bucket *= 2) {
    if (stage.arguments[1] == static_cast<double>(bucket)) return "";
  }
  return absl::StrCat("bucket is ", stage.arguments[1], ", expected a power of two from ",
                      kMinBucket, " to ", kMaxBucket);
}

}  // namespace tern::compression
