#include "compression/float_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "absl/strings/str_cat.h"
#include "tests/compression/quantizer_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();

StageSpec Stage(const std::string& name) { return {.name = name}; }

absl::StatusOr<Quantized> Convert(const std::string& name, absl::Span<const float> values) {
  return QuantizeAll(*MakeFloatQuantizer(Stage(name)), values);
}

std::vector<float> RoundTrip(const std::string& name, absl::Span<const float> values) {
  const Quantized quantized = Convert(name, values).value();
  EXPECT_THAT(CheckAll(*MakeFloatDequantizer(Stage(name)), quantized), IsOk());
  return DequantizeAll(*MakeFloatDequantizer(Stage(name)), quantized);
}

// The nearest number of a format, ties to even.
struct Format {
  std::string name;
  int mantissa_bits;
  int smallest_exponent;  // of a normal number

  float Nearest(float value) const {
    if (value == 0.0f) return value;
    const int exponent = std::max(std::ilogb(value), smallest_exponent) - mantissa_bits;
    return static_cast<float>(
        std::ldexp(std::nearbyint(std::ldexp(double{value}, -exponent)), exponent));
  }
};

const Format kFloat16 = {"float16", 10, -14};
const Format kBfloat16 = {"bfloat16", 7, -126};

uint32_t Bits(float value) { return std::bit_cast<uint32_t>(value); }

TEST(None, RoundTrip_KeepsEveryBit) {
  for (const int64_t size : kBlockSizes) {
    const std::vector<float> values = SomeValues(size, 10);
    const Quantized quantized = Convert("none", values).value();
    EXPECT_EQ(quantized.symbols.size(), 1 + 4 * values.size());
    const std::vector<float> decoded = RoundTrip("none", values);
    EXPECT_TRUE(size == 0 || std::memcmp(decoded.data(), values.data(), 4 * values.size()) == 0);
  }
}

TEST(HalfFormats, AnySize_IsTheNearestNumber) {
  for (const Format& format : {kFloat16, kBfloat16}) {
    for (const int64_t size : kBlockSizes) {
      const std::vector<float> values = SomeValues(size, 11);
      EXPECT_EQ(Convert(format.name, values)->symbols.size(), 1 + 2 * values.size());
      const std::vector<float> decoded = RoundTrip(format.name, values);
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(Bits(decoded[i]), Bits(format.Nearest(values[i]))) << values[i];
      }
    }
  }
}

// What lies around every number of a format and halfway to the next.
TEST(HalfFormats, EveryNumberAndTheHalfwayOnes_AreRoundedToNearestEven) {
  for (const Format& format : {kFloat16, kBfloat16}) {
    const auto dequantizer = MakeFloatDequantizer(Stage(format.name));
    const int end = format.name == "float16" ? 0x7BFF : 0x7F7F;
    Quantized numbers{.shape = dequantizer->shape(), .count = end + 1};
    numbers.symbols.resize(static_cast<size_t>(1 + 2 * (end + 1)));
    for (int i = 0; i <= end; ++i) {
      numbers.Symbol(2 * i) = static_cast<uint8_t>(i);
      numbers.Symbol(2 * i + 1) = static_cast<uint8_t>(i >> 8);
    }
    const std::vector<float> exact = DequantizeAll(*dequantizer, numbers);
    std::vector<float> values;
    for (size_t i = 0; i + 1 < exact.size(); ++i) {
      ASSERT_LT(exact[i], exact[i + 1]);
      const float halfway = exact[i] + (exact[i + 1] - exact[i]) / 2;
      for (const float value : {exact[i], halfway, std::nextafter(halfway, 0.0f),
                                std::nextafter(halfway, kMax), exact[i + 1]}) {
        values.push_back(value);
        values.push_back(-value);
      }
    }
    const std::vector<float> decoded = RoundTrip(format.name, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(Bits(decoded[i]), Bits(format.Nearest(values[i]))) << values[i];
    }
  }
}

TEST(Float16, KnownPatterns) {
  const Quantized quantized =
      Convert("float16", {1.0f, -2.0f, 65504.0f, 0x1p-24f, 0x1p-14f, -0.0f, 0.333333333f}).value();
  EXPECT_EQ(std::vector<uint8_t>(quantized.symbols.begin() + 1, quantized.symbols.end()),
            std::vector<uint8_t>({0x00, 0x3C, 0x00, 0xC0, 0xFF, 0x7B, 0x01, 0x00, 0x00, 0x04, 0x00,
                                  0x80, 0x55, 0x35}));
}

TEST(Float16, MagnitudesThatRoundAboveTheLargest_AreRefusedByIndex) {
  std::vector<float> values(600);
  values[300] = -std::nextafter(65520.0f, 0.0f);
  EXPECT_EQ(RoundTrip("float16", values)[300], -65504.0f);
  for (const float large : {65520.0f, -65520.0f, 65536.0f, kMax, -kMax}) {
    values[300] = large;
    EXPECT_THAT(Convert("float16", values), StatusIs(kInvalid, "coordinate 300 is "));
    EXPECT_THAT(Convert("float16", values), StatusIs(kInvalid, "at most 65519.9961"));
  }
}

TEST(Bfloat16, MagnitudesThatRoundToInfinity_AreRefusedByIndex) {
  std::vector<float> values(1300);
  const float smallest_refused = std::bit_cast<float>(0x7F7F8000);
  values[1100] = std::nextafter(smallest_refused, 0.0f);
  EXPECT_EQ(RoundTrip("bfloat16", values)[1100], std::bit_cast<float>(0x7F7F0000));
  for (const float large : {smallest_refused, -smallest_refused, kMax}) {
    values[1100] = large;
    EXPECT_THAT(Convert("bfloat16", values), StatusIs(kInvalid, "coordinate 1100 is "));
  }
}

TEST(FloatFormatsCheck, BadValues_AreNamed) {
  for (const std::string name : {"none", "float16", "bfloat16"}) {
    const Quantized good = Convert(name, std::vector<float>(1500, 16.0f)).value();
    const auto dequantizer = MakeFloatDequantizer(Stage(name));
    const std::vector<float> bad = {kInfinity, -kInfinity, std::nanf(""), 17.0f, -17.0f};
    for (const int64_t at : {0, 255, 256, 1023, 1024, 1499}) {
      for (const float value : bad) {
        Quantized changed = good;
        // Only float16 has another exponent than a float's upper half.
        const uint32_t bits = name != "float16"        ? Bits(value)
                              : std::abs(value) < 18.f ? 0x4C40u << 16
                              : std::isnan(value)      ? 0x7E00u << 16
                                                       : 0xFC00u << 16;
        const int64_t bytes = changed.SymbolBytes();
        for (int64_t byte = 0; byte < bytes; ++byte) {
          changed.Symbol(at * bytes + byte) =
              static_cast<uint8_t>(bits >> (8 * (4 - bytes + byte)));
        }
        EXPECT_THAT(CheckAll(*dequantizer, changed, 16.0f),
                    StatusIs(kInvalid, absl::StrCat("coordinate ", at, " is ")))
            << name;
        EXPECT_EQ(CheckAll(*dequantizer, changed, kInfinity).ok(), std::isfinite(value)) << name;
      }
    }
    EXPECT_THAT(CheckAll(*dequantizer, good, 16.0f), IsOk());
  }
}

}  // namespace
}  // namespace tern::compression
