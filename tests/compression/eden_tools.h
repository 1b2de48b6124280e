// Shorthands for tests of `eden` and `ecsq`.
#ifndef TERN_TESTS_COMPRESSION_EDEN_TOOLS_H_
#define TERN_TESTS_COMPRESSION_EDEN_TOOLS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "compression/eden.h"
#include "compression/rotation.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {

inline StageSpec Eden(double bits, const std::string& option = "") {
  return {.name = "eden", .arguments = {bits}, .option = option};
}
inline StageSpec Ecsq(double bits, const std::string& option = "") {
  return {.name = "ecsq", .arguments = {bits}, .option = option};
}

inline const std::vector<StageSpec>& AllSpecs() {
  static const auto* const specs = new std::vector<StageSpec>{Eden(1),
                                                              Eden(2),
                                                              Eden(3),
                                                              Eden(4),
                                                              Eden(0.5),
                                                              Eden(0.1),
                                                              Eden(1, "mse"),
                                                              Eden(4, "mse"),
                                                              Eden(0.3, "mse"),
                                                              Ecsq(0.1),
                                                              Ecsq(1),
                                                              Ecsq(3),
                                                              Ecsq(2, "unbiased"),
                                                              Ecsq(6)};
  return *specs;
}

inline std::string NameOf(const StageSpec& spec) {
  return spec.name + "(" + std::to_string(spec.arguments[0]) + " " + spec.option + ")";
}

inline std::unique_ptr<Quantizer> QuantizerOf(const StageSpec& spec) {
  return spec.name == "eden" ? MakeEdenQuantizer(spec) : MakeEcsqQuantizer(spec);
}
inline std::unique_ptr<Dequantizer> DequantizerOf(const StageSpec& spec) {
  return spec.name == "eden" ? MakeEdenDequantizer(spec) : MakeEcsqDequantizer(spec);
}

struct Coded {
  ScaleBits scale = 0;
  std::vector<uint8_t> symbols;
};

inline Coded Quantize(const Quantizer& quantizer, absl::Span<const float> values,
                      const RandomKey& key, int64_t first = 0) {
  const auto count = static_cast<int64_t>(values.size());
  Coded coded;
  coded.symbols.resize(static_cast<size_t>(quantizer.shape().Symbols(count)));
  RandomStream random(key);
  std::array<char, 2> parameters;
  EXPECT_THAT(quantizer.Quantize({.values = values.data(), .count = count, .first = first}, nullptr,
                                 key, random, parameters.data(), coded.symbols.data()),
              ::tern::testing::IsOk());
  coded.scale = ReadScale(parameters.data());
  return coded;
}

inline SymbolBlock BlockOf(const Coded& coded, int64_t count, int64_t first = 0) {
  return {.header = nullptr,
          .parameters = reinterpret_cast<const char*>(&coded.scale),
          .symbols = coded.symbols.data(),
          .count = count,
          .first = first};
}

inline std::vector<float> Dequantize(const Dequantizer& dequantizer, const Coded& coded,
                                     size_t count, const RandomKey& key, int64_t first = 0) {
  std::vector<float> values(count, std::nanf(""));
  dequantizer.Dequantize(BlockOf(coded, static_cast<int64_t>(count), first), key, values.data());
  return values;
}

inline std::vector<float> Gaussian(size_t count, uint64_t seed, float sigma = 1.0f) {
  RandomStream random({.seed = seed});
  std::vector<float> values(count);
  for (float& value : values) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - double{random.NextFloat()}));
    const double angle = 2.0 * std::numbers::pi * double{random.NextFloat()};
    value = sigma * static_cast<float>(radius * std::cos(angle));
  }
  return values;
}

inline double SquaredError(absl::Span<const float> a, absl::Span<const float> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2.0);
  return sum;
}

inline double SquaredNorm(absl::Span<const float> values) {
  return SquaredError(values, std::vector<float>(values.size()));
}

// Rotates, quantizes, decodes and rotates back each block.
inline std::vector<float> RoundTrip(const StageSpec& spec, absl::Span<const float> values,
                                    const RandomKey& key) {
  const auto quantizer = QuantizerOf(spec);
  const auto dequantizer = DequantizerOf(spec);
  const Rotation rotation(key);
  std::vector<float> result;
  for (size_t first = 0; first < values.size(); first += kRotationBlock) {
    const auto block = values.subspan(first, kRotationBlock);
    std::vector<float> rotated(block.begin(), block.end());
    const auto at = static_cast<int64_t>(first);
    rotation.Forward(at / kRotationBlock, absl::MakeSpan(rotated));
    const Coded coded = Quantize(*quantizer, rotated, key, at);
    EXPECT_THAT(dequantizer->Check(BlockOf(coded, static_cast<int64_t>(block.size()), at), 1.0f),
                ::tern::testing::IsOk());
    rotated = Dequantize(*dequantizer, coded, block.size(), key, at);
    rotation.Inverse(at / kRotationBlock, absl::MakeSpan(rotated));
    result.insert(result.end(), rotated.begin(), rotated.end());
  }
  return result;
}

}  // namespace tern::compression

#endif  // TERN_TESTS_COMPRESSION_EDEN_TOOLS_H_
