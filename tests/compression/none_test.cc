#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

TEST(None, RoundTrip_KeepsEveryBit) {
  for (const int64_t size : kSizes) {
    std::vector<float> values = RandomUpdate(size, 10);
    if (size > 300) {
      values[7] = -0.0f;
      values[300] = std::numeric_limits<float>::denorm_min();
    }
    const std::string payload = *Encode("none", values);
    ASSERT_EQ(payload.size(), values.size() * 4);
    const std::vector<float> decoded = Decode("none", payload, size);
    EXPECT_TRUE(size == 0 || std::memcmp(decoded.data(), values.data(), payload.size()) == 0);
  }
}

TEST(None, Validate_NamesTheFirstBadCoordinate) {
  const std::vector<float> values = RandomUpdate(600, 11);
  const std::string payload = *Encode("none", values);
  const auto with = [&](size_t index, float value) {
    std::string changed = payload;
    std::memcpy(changed.data() + 4 * index, &value, 4);
    return Validate("none", changed, 600);
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  for (const size_t index : {0, 255, 256, 512, 599}) {
    const std::string name = "coordinate " + std::to_string(index);
    EXPECT_THAT(with(index, 16.0f), IsOk());
    EXPECT_THAT(with(index, std::nextafter(16.0f, 17.0f)),
                StatusIs(kInvalid, name + " is 16.0000019, expected a magnitude of at most 16"));
    EXPECT_THAT(with(index, -1e30f), StatusIs(kInvalid, name + " is -1"));
    EXPECT_THAT(with(index, std::nanf("")), StatusIs(kInvalid, name + " is nan"));
    EXPECT_THAT(with(index, -std::numeric_limits<float>::infinity()),
                StatusIs(kInvalid, name + " is -inf"));
  }
}

TEST(None, Validate_InfiniteLimit_StillWantsFiniteValues) {
  std::string payload(4, '\0');
  const float infinity = std::numeric_limits<float>::infinity();
  std::memcpy(payload.data(), &infinity, 4);
  EXPECT_THAT(Validate("none", payload, 1, infinity),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "coordinate 0 is inf, expected a finite number"));
}

}  // namespace
}  // namespace tern::compression
