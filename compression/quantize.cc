#include "compression/quantize.h"

#include "compression/stage_arguments.h"

namespace tern::compression {

std::string CheckQuantizeArguments(const StageSpec& stage) {
  std::string problem = CheckArgumentCount(stage, {1, 1, "one: bits"});
  if (problem.empty()) problem = CheckWholeNumber("bits", stage.arguments[0], 1, 8);
  return problem.empty() ? CheckOption(stage, "stochastic") : problem;
}

QuantizerShape QuantizeShape(int bits) {
  return {.bits = bits,
          .alphabet = bits == 1 ? 2 : 2 * QuantizeLevels(bits) + 1,
          .block = kBlock,
          .parameter_bytes = sizeof(ScaleBits)};
}

}  // namespace tern::compression
