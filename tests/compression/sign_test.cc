#include "compression/sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/compression/quantizer_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Quantized QuantizeSigns(absl::Span<const float> values) {
  return QuantizeAll(*MakeSignQuantizer({.name = "sign"}), values).value();
}

float MeanOf(const Quantized& quantized) {
  float mean;
  std::memcpy(&mean, quantized.header.data(), sizeof(mean));
  return mean;
}

Quantized WithMean(Quantized quantized, float mean) {
  std::memcpy(quantized.header.data(), &mean, sizeof(mean));
  return quantized;
}

TEST(Sign, Values_AreTheMeanMagnitudeWithTheirSigns) {
  const Quantized quantized = QuantizeSigns({1.0f, -2.0f, 6.0f, -0.0f, 0.0f, -3.0f});
  EXPECT_THAT(DequantizeAll(*MakeSignDequantizer({.name = "sign"}), quantized),
              ElementsAre(2, -2, 2, -2, 2, -2));
}

TEST(Sign, AnySize_IsTheDefinition) {
  for (const int64_t size : kBlockSizes) {
    const std::vector<float> values = SomeValues(size, 40);
    Quantized quantized = QuantizeSigns(values);
    double mean = 0.0;
    for (const float value : values) mean += std::abs(value) / static_cast<double>(size);
    EXPECT_NEAR(MeanOf(quantized), mean, mean * 0x1p-23);
    for (int64_t i = 0; i < size; ++i) {
      ASSERT_EQ(quantized.Symbol(i), std::signbit(values[static_cast<size_t>(i)]) ? 1 : 0);
    }
    const std::vector<float> decoded =
        DequantizeAll(*MakeSignDequantizer({.name = "ternary"}), quantized);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(decoded[i], std::copysign(MeanOf(quantized), values[i]));
    }
  }
}

// The sum is over lanes that are the same on every machine: these bits are, too.
TEST(Sign, Mean_IsTheSameEverywhere) {
  std::vector<float> values(1000);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 1.0f / static_cast<float>(i + 1) - 0.01f;
  }
  std::vector<double> lanes(16);
  for (size_t i = 0; i < values.size(); ++i) lanes[i % 16] += std::abs(values[i]);
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  EXPECT_EQ(MeanOf(QuantizeSigns(values)), static_cast<float>(sum / 1000.0));
}

TEST(Sign, WithoutValues_TheMeanIsZero) {
  const Quantized quantized = QuantizeSigns({});
  EXPECT_EQ(quantized.header, std::string(4, '\0'));
  EXPECT_THAT(CheckAll(*MakeSignDequantizer({.name = "sign"}), quantized), IsOk());
}

TEST(Sign, EqualMagnitudes_StayThemselves) {
  RandomStream random({.seed = 41});
  for (int exponent = -149; exponent <= 127; ++exponent) {
    std::vector<float> values(1 + random.Below(3000),
                              std::ldexp(1.0f + random.NextFloat(), exponent));
    const Quantized quantized = QuantizeSigns(values);
    EXPECT_EQ(DequantizeAll(*MakeSignDequantizer({.name = "sign"}), quantized), values);
  }
  const float max = std::numeric_limits<float>::max();
  EXPECT_EQ(MeanOf(QuantizeSigns(std::vector<float>(5000, -max))), max);
}

TEST(SignCheck, BadMean_IsRefused) {
  const auto dequantizer = MakeSignDequantizer({.name = "sign"});
  const Quantized good = QuantizeSigns({1.0f});
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float mean : {-1.0f, -0.0f, infinity, -infinity, std::nanf(""), -std::nanf("")}) {
    EXPECT_THAT(CheckAll(*dequantizer, WithMean(good, mean)),
                StatusIs(kInvalid, "expected finite and not negative"));
  }
  EXPECT_THAT(CheckAll(*dequantizer, WithMean(good, 16.0f), 16.0f), IsOk());
  EXPECT_THAT(CheckAll(*dequantizer, WithMean(good, 17.0f), 16.0f),
              StatusIs(kInvalid, "value 0: mean magnitude is 17, expected at most 16"));
}

TEST(SignProbabilities, AreOneHalf) {
  std::vector<double> probabilities(2);
  EXPECT_TRUE(MakeSignQuantizer({.name = "sign"})->Probabilities(absl::MakeSpan(probabilities)));
  EXPECT_THAT(probabilities, ElementsAre(0.5, 0.5));
  probabilities = {0.0, 0.0};
  EXPECT_TRUE(MakeSignDequantizer({.name = "sign"})->Probabilities(absl::MakeSpan(probabilities)));
  EXPECT_THAT(probabilities, ElementsAre(0.5, 0.5));
}

}  // namespace
}  // namespace tern::compression
