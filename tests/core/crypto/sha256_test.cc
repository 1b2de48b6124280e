#include "core/crypto/sha256.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/escaping.h"

namespace tern {
namespace {

std::string HexSha256(absl::string_view bytes) { return absl::BytesToHexString(Sha256(bytes)); }

// FIPS 180-4 examples: NIST, "SHA-256" test data for one and several blocks.
TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(HexSha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexSha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexSha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(HexSha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ModelHash, IsTheDigestOfLittleEndianFloats) {
  const float parameters[] = {1.0f, -0.5f};
  EXPECT_EQ(ModelHash(parameters), Sha256(std::string("\x00\x00\x80\x3F\x00\x00\x00\xBF", 8)));
  EXPECT_EQ(ModelHash({}), Sha256(""));
}

TEST(ModelHash, EveryBit_Counts) {
  const float zero[] = {0.0f};
  const float negative_zero[] = {-0.0f};
  const float one[] = {1.0f};
  const float next[] = {std::nextafter(1.0f, 2.0f)};
  EXPECT_NE(ModelHash(zero), ModelHash(negative_zero));
  EXPECT_NE(ModelHash(one), ModelHash(next));
}

}  // namespace
}  // namespace tern
