#include "core/base/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/base/random.h"

namespace tern {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, PublishedVectors) {
  std::string ascending(32, '\0');
  for (size_t i = 0; i < ascending.size(); ++i) ascending[i] = static_cast<char>(i);
  const std::string descending(ascending.rbegin(), ascending.rend());
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(descending), 0x113FDB5Cu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

// The definition, bit by bit.
uint32_t BitwiseCrc32c(absl::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

TEST(Crc32c, AnyLengthAndSplit_EqualsTheDefinition) {
  RandomStream random({.seed = 5});
  std::string bytes;
  for (int length = 0; length < 100; ++length) {
    const size_t split = random.Below(static_cast<uint32_t>(length) + 1);
    const absl::string_view view = bytes;
    ASSERT_EQ(Crc32c(bytes), BitwiseCrc32c(bytes)) << length;
    ASSERT_EQ(Crc32c(view.substr(split), Crc32c(view.substr(0, split))), Crc32c(bytes)) << length;
    bytes.push_back(static_cast<char>(random.Next32()));
  }
}

// Long inputs are summed in several stretches at once.
TEST(Crc32c, LongInputs_EqualTheDefinition) {
  RandomStream random({.seed = 6});
  std::string bytes(40000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next32());
  const absl::string_view view = bytes;
  for (const size_t length : {2048u, 6143u, 6144u, 6145u, 12288u, 20001u, 40000u}) {
    const absl::string_view part = view.substr(0, length);
    EXPECT_EQ(Crc32c(part), BitwiseCrc32c(part)) << length;
    EXPECT_EQ(Crc32c(part.substr(7), Crc32c(part.substr(0, 7))), Crc32c(part)) << length;
  }
}

}  // namespace
}  // namespace tern
