#include "compression/eden.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "compression/stage_arguments.h"

namespace tern::compression {
namespace {

std::string CheckForm(const StageSpec& stage, absl::string_view number, absl::string_view option) {
  std::string problem = CheckArgumentCount(stage, {.min = 1, .max = 1, .names = number});
  return problem.empty() ? CheckOption(stage, option) : problem;
}

QuantizerShape ShapeOf(int alphabet) {
  return {.bits = static_cast<int>(std::bit_width(static_cast<unsigned>(alphabet - 1))),
          .alphabet = alphabet,
          .block = kMaxBlock,
          .header_bytes = 0,
          .parameter_bytes = sizeof(ScaleBits)};
}

}  // namespace

std::string CheckEdenArguments(const StageSpec& stage) {
  std::string problem = CheckForm(stage, "one: bits", "mse");
  if (!problem.empty()) return problem;
  const double bits = stage.arguments[0];
  const bool whole = bits == 1.0 || bits == 2.0 || bits == 3.0 || bits == 4.0;
  if (whole || (bits > 0.0 && bits < 1.0)) return "";
  return absl::StrCat("bits is ", bits, ", expected 1, 2, 3, 4 or above 0 and below 1");
}

std::string CheckEcsqArguments(const StageSpec& stage) {
  std::string problem = CheckForm(stage, "one: bits", "unbiased");
  if (!problem.empty()) return problem;
  const double rate = stage.arguments[0];
  if (rate >= 0.1 && rate <= 6.0) return "";
  return absl::StrCat("bits is ", rate, ", expected 0.1 to 6");
}

NormalCode EdenCode(const StageSpec& stage) {
  const double bits = stage.arguments[0];
  NormalCode code;
  code.book = LloydMaxCodebook(bits < 1.0 ? 1 : static_cast<int>(bits));
  code.shape = ShapeOf(code.book.alphabet);
  code.shape.symbol_share = std::min(bits, 1.0);
  code.unbiased = stage.option != "mse";
  return code;
}

NormalCode EcsqCode(const StageSpec& stage) {
  NormalCode code;
  code.book = UniformCodebook(stage.arguments[0]);
  code.shape = ShapeOf(code.book.alphabet);
  code.unbiased = stage.option == "unbiased";
  return code;
}

CentroidTable Centroids(const NormalCode& code) {
  CentroidTable centroids{};
  for (size_t i = 0; i < static_cast<size_t>(code.book.alphabet); ++i) {
    centroids[i] = static_cast<float>(code.book.centroids[i]);
  }
  return centroids;
}

void FillProbabilities(const NormalCode& code, absl::Span<double> probabilities) {
  std::copy_n(code.book.probabilities.begin(), code.book.alphabet, probabilities.begin());
}

}  // namespace tern::compression
