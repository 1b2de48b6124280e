#include "compression/qsgd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/compression/quantizer_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

StageSpec Stage(double levels, double bucket) {
  return {.name = "qsgd", .arguments = {levels, bucket}};
}

Quantized QuantizeWith(const StageSpec& stage, absl::Span<const float> values) {
  return QuantizeAll(*MakeQsgdQuantizer(stage), values).value();
}

Quantized WithNorm(Quantized quantized, int64_t bucket, float norm) {
  std::memcpy(quantized.Parameters(bucket), &norm, sizeof(norm));
  return quantized;
}

TEST(QsgdShape, IsWhatTheLevelsNeed) {
  const auto bits = [](int levels) { return MakeQsgdQuantizer(Stage(levels, 64))->shape().bits; };
  EXPECT_EQ(bits(1), 2);
  EXPECT_EQ(bits(2), 3);
  EXPECT_EQ(bits(3), 3);
  EXPECT_EQ(bits(4), 4);
  EXPECT_EQ(bits(127), 8);
  EXPECT_EQ(MakeQsgdDequantizer(Stage(4, 128))->shape().alphabet, 9);
  EXPECT_EQ(MakeQsgdDequantizer(Stage(4, 128))->shape().block, 128);
}

TEST(Qsgd, Values_AreOneOfTheTwoNearestLevelsOfTheNorm) {
  for (const auto& [levels, bucket] : {std::pair{1, 64}, {4, 128}, {16, 256}, {127, 1024}}) {
    const StageSpec stage = Stage(levels, bucket);
    for (const int64_t size : kBlockSizes) {
      const std::vector<float> values = SomeValues(size, 30);
      Quantized quantized = QuantizeWith(stage, values);
      const auto dequantizer = MakeQsgdDequantizer(stage);
      ASSERT_THAT(CheckAll(*dequantizer, quantized), IsOk());
      const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
      for (int64_t i = 0; i < size; ++i) {
        const auto of_bucket = absl::MakeConstSpan(values).subspan(
            static_cast<size_t>(i / bucket * bucket), static_cast<size_t>(bucket));
        double squares = 0.0;
        for (const float value : of_bucket) squares += double{value} * value;
        const float norm = quantized.Parameter<float>(i / bucket);
        ASSERT_NEAR(norm, std::sqrt(squares), 0x1p-22 * norm);
        ASSERT_GE(norm, LargestOf(of_bucket));
        const auto at = static_cast<size_t>(i);
        const double step = double{norm} / levels;
        ASSERT_LE(std::abs(double{values[at]} - decoded[at]), step * (1 + 0x1p-14));
        ASSERT_LE(std::abs(decoded[at]), norm);
        ASSERT_FLOAT_EQ(decoded[at], static_cast<float>((quantized.Symbol(i) - levels) * step));
      }
    }
  }
}

TEST(Qsgd, Expectation_IsTheValue) {
  constexpr int kTrials = 4000;
  const std::vector<float> values = SomeValues(300, 31);
  for (const int levels : {1, 4, 127}) {
    const auto quantizer = MakeQsgdQuantizer(Stage(levels, 128));
    const auto dequantizer = MakeQsgdDequantizer(Stage(levels, 128));
    std::vector<double> mean(values.size());
    std::vector<float> norms(3);
    for (int trial = 0; trial < kTrials; ++trial) {
      Quantized quantized = QuantizeAll(*quantizer, values, static_cast<uint64_t>(trial)).value();
      for (size_t i = 0; i < 3; ++i) norms[i] = quantized.Parameter<float>(static_cast<int64_t>(i));
      const std::vector<float> decoded = DequantizeAll(*dequantizer, quantized);
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += decoded[i] / double{kTrials};
    }
    for (size_t i = 0; i < mean.size(); ++i) {
      const double step = double{norms[i / 128]} / levels;
      EXPECT_NEAR(mean[i], values[i], HoeffdingBound(step, kTrials) + step * 0x1p-14);
    }
  }
}

// Its norm is its magnitude.
TEST(Qsgd, AValueAlone_StaysItself) {
  RandomStream random({.seed = 32});
  for (int exponent = -126; exponent <= 127; ++exponent) {
    std::vector<float> values(64);
    values[9] = std::ldexp(1.0f + random.NextFloat(), exponent);
    const Quantized quantized = QuantizeWith(Stage(1, 64), values);
    EXPECT_EQ(DequantizeAll(*MakeQsgdDequantizer(Stage(1, 64)), quantized), values) << exponent;
  }
}

TEST(Qsgd, Zeros_StayZero) {
  const Quantized quantized = QuantizeWith(Stage(4, 64), {0.0f, -0.0f, 0.0f});
  EXPECT_THAT(CheckAll(*MakeQsgdDequantizer(Stage(4, 64)), quantized, 0.0f), IsOk());
  EXPECT_THAT(DequantizeAll(*MakeQsgdDequantizer(Stage(4, 64)), quantized), Each(0.0f));
}

TEST(Qsgd, SubnormalValues_HaveANormalNorm) {
  Quantized quantized =
      QuantizeWith(Stage(127, 64), {std::numeric_limits<float>::denorm_min(), 0x1p-127f});
  EXPECT_EQ(quantized.Parameter<float>(0), std::numeric_limits<float>::min());
  EXPECT_THAT(CheckAll(*MakeQsgdDequantizer(Stage(127, 64)), quantized), IsOk());
}

TEST(Qsgd, TheLargestFloats_AreTakenAsLongAsTheNormIsOne) {
  std::vector<float> values(200);
  values[150] = -kMax;
  const auto dequantizer = MakeQsgdDequantizer(Stage(127, 64));
  const Quantized quantized = QuantizeWith(Stage(127, 64), values);
  EXPECT_THAT(CheckAll(*dequantizer, quantized), IsOk());
  EXPECT_EQ(DequantizeAll(*dequantizer, quantized), values);
  values[151] = kMax;
  EXPECT_THAT(QuantizeAll(*MakeQsgdQuantizer(Stage(127, 64)), values),
              StatusIs(kInvalid, "bucket 2 (from value 128): norm is 4.81231"));
}

TEST(QsgdCheck, BadNorm_NamesBucketAndValue) {
  const auto dequantizer = MakeQsgdDequantizer(Stage(4, 128));
  const Quantized good = QuantizeWith(Stage(4, 128), SomeValues(300, 33));
  for (const float norm : {-1.0f, -0x1p-140f, 0x1p-140f, kInfinity, -kInfinity, std::nanf("")}) {
    EXPECT_THAT(CheckAll(*dequantizer, WithNorm(good, 2, norm)),
                StatusIs(kInvalid, absl::StrCat("bucket 2 (from value 256): norm is ")));
  }
  EXPECT_THAT(CheckAll(*dequantizer, WithNorm(good, 2, 0.0f)), IsOk());
  EXPECT_THAT(CheckAll(*dequantizer, WithNorm(good, 2, kMax), kInfinity), IsOk());
}

// A norm may be above the limit where no value is.
TEST(QsgdCheck, ValueAboveTheLimit_IsNamed) {
  const auto dequantizer = MakeQsgdDequantizer(Stage(4, 512));
  Quantized quantized = WithNorm(QuantizeWith(Stage(4, 512), std::vector<float>(512)), 0, 32.0f);
  for (const int64_t value : {0, 255, 256, 511}) {
    quantized.Symbol(value) = 2;
    EXPECT_THAT(CheckAll(*dequantizer, quantized, 16.0f), IsOk());
    quantized.Symbol(value) = 7;
    EXPECT_THAT(CheckAll(*dequantizer, quantized, 16.0f),
                StatusIs(kInvalid, absl::StrCat("coordinate ", value,
                                                " is 24, expected a magnitude of at most 16")));
    quantized.Symbol(value) = 4;
  }
}

TEST(QsgdCheck, SymbolOutsideTheAlphabet_NamesTheValue) {
  const auto dequantizer = MakeQsgdDequantizer(Stage(4, 128));
  for (const int64_t value : {0, 127, 128, 299}) {
    Quantized quantized = QuantizeWith(Stage(4, 128), SomeValues(300, 34));
    quantized.Symbol(value) = 8;
    EXPECT_THAT(CheckAll(*dequantizer, quantized), IsOk());
    quantized.Symbol(value) = 9;
    EXPECT_THAT(CheckAll(*dequantizer, quantized),
                StatusIs(kInvalid, absl::StrCat("value ", value, ": symbol is 9")));
  }
}

TEST(CheckQsgdArguments, SaysTheProblem) {
  EXPECT_EQ(CheckQsgdArguments(Stage(1, 64)), "");
  EXPECT_EQ(CheckQsgdArguments(Stage(127, 1024)), "");
  EXPECT_EQ(CheckQsgdArguments(Stage(128, 64)),
            "levels is 128, expected a whole number from 1 to 127");
  EXPECT_EQ(CheckQsgdArguments(Stage(0.5, 64)),
            "levels is 0.5, expected a whole number from 1 to 127");
  for (const double bucket : {0.0, 32.0, 65.0, 96.0, 2048.0, -64.0, 64.5}) {
    EXPECT_EQ(CheckQsgdArguments(Stage(4, bucket)),
              absl::StrCat("bucket is ", bucket, ", expected a power of two from 64 to 1024"));
  }
  EXPECT_EQ(CheckQsgdArguments({.name = "qsgd", .arguments = {4}}),
            "has 1 arguments, expected two: levels, bucket");
  EXPECT_EQ(CheckQsgdArguments({.name = "qsgd", .arguments = {4, 64}, .option = "foo"}),
            "option is 'foo', expected none");
}

}  // namespace
}  // namespace tern::compression
