// Shorthands for tests of quantizers and sparsifiers, without a pipeline around them.
#ifndef TERN_TESTS_COMPRESSION_QUANTIZER_TOOLS_H_
#define TERN_TESTS_COMPRESSION_QUANTIZER_TOOLS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compression/quantizer.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"

namespace tern::compression {

// Around every block, and several of them.
inline constexpr int64_t kBlockSizes[] = {0,   1,   2,   63,   64,   65,   255, 256,
                                          257, 511, 513, 1000, 1024, 1025, 5000};

// Normal-like values of different magnitudes, some zeros of both signs and subnormal numbers.
inline std::vector<float> SomeValues(int64_t count, uint64_t seed) {
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    const float sum = random.NextFloat() + random.NextFloat() + random.NextFloat() - 1.5f;
    value = std::ldexp(sum, static_cast<int>(random.Below(8)) - 6);
    if (random.Below(40) == 0) value = 0.0f;
    if (random.Below(40) == 0) value = -0.0f;
    if (random.Below(40) == 0) value = std::numeric_limits<float>::denorm_min();
  }
  return values;
}

inline float LargestOf(absl::Span<const float> values) {
  float largest = 0.0f;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// What a quantizer writes. Parameters and symbols begin at odd addresses, as they may in a payload.
struct Quantized {
  QuantizerShape shape;
  int64_t count = 0;
  std::string header;
  std::string parameters = "x";
  std::vector<uint8_t> symbols = {0};

  int64_t SymbolBytes() const { return shape.bits > 8 ? shape.bits / 8 : 1; }
  uint8_t& Symbol(int64_t i) { return symbols[static_cast<size_t>(1 + i)]; }
  char* Parameters(int64_t block) { return parameters.data() + 1 + block * shape.parameter_bytes; }
  template <typename T>
  T Parameter(int64_t block) {
    T parameter;
    std::memcpy(&parameter, Parameters(block), sizeof(parameter));
    return parameter;
  }
  SymbolBlock Block(int64_t first) const {
    return {.header = header.data(),
            .parameters = parameters.data() + 1 + first / shape.block * shape.parameter_bytes,
            .symbols = symbols.data() + 1 + first * SymbolBytes(),
            .count = std::min(shape.block, count - first),
            .first = first};
  }
};

inline absl::StatusOr<Quantized> QuantizeAll(const Quantizer& quantizer,
                                             absl::Span<const float> values, uint64_t seed = 1) {
  Quantized result{.shape = quantizer.shape(), .count = static_cast<int64_t>(values.size())};
  const QuantizerShape& shape = result.shape;
  result.header.resize(static_cast<size_t>(shape.header_bytes));
  const int64_t blocks = (result.count + shape.block - 1) / shape.block;
  result.parameters.resize(static_cast<size_t>(1 + blocks * shape.parameter_bytes));
  result.symbols.resize(static_cast<size_t>(1 + result.count * result.SymbolBytes()));
  quantizer.WriteHeader(values, result.header.data());
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kEncode});
  for (int64_t first = 0; first < result.count; first += shape.block) {
    TERN_RETURN_IF_ERROR(quantizer.Quantize(
        {.values = values.data() + first,
         .count = std::min(shape.block, result.count - first),
         .first = first},
        result.header.data(), {.seed = seed}, random, result.Parameters(first / shape.block),
        result.symbols.data() + 1 + first * result.SymbolBytes()));
  }
  return result;
}

inline absl::Status CheckAll(const Dequantizer& dequantizer, const Quantized& quantized,
                             float max_abs_value = std::numeric_limits<float>::max()) {
  TERN_RETURN_IF_ERROR(dequantizer.CheckHeader(quantized.header.data()));
  for (int64_t first = 0; first < quantized.count; first += quantized.shape.block) {
    TERN_RETURN_IF_ERROR(dequantizer.Check(quantized.Block(first), max_abs_value));
  }
  return absl::OkStatus();
}

inline std::vector<float> DequantizeAll(const Dequantizer& dequantizer,
                                        const Quantized& quantized) {
  std::vector<float> values(static_cast<size_t>(quantized.count));
  for (int64_t first = 0; first < quantized.count; first += quantized.shape.block) {
    dequantizer.Dequantize(quantized.Block(first), {}, values.data() + first);
  }
  return values;
}

// How far the mean of `trials` independent numbers from an interval of this width is from its
// expectation, but with probability 1e-12 (Hoeffding 1963).
inline double HoeffdingBound(double width, int trials) {
  return width * std::sqrt(std::log(2e12) / (2.0 * trials));
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_QUANTIZER_TOOLS_H_
