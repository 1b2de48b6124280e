#include "tests/compression/decode_property.h"

#include <gtest/gtest.h>

namespace tern::compression {
namespace {

std::string RandomBytes(RandomStream& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next32());
  return bytes;
}

void Mutate(RandomStream& random, std::string& bytes) {
  const uint32_t changes = 1 + random.Below(4);
  for (uint32_t i = 0; i < changes && !bytes.empty(); ++i) {
    const auto size = static_cast<uint32_t>(bytes.size());
    switch (random.Below(4)) {
      case 0:
        bytes[random.Below(size)] = static_cast<char>(random.Next32());
        break;
      case 1:
        bytes.erase(random.Below(size), 1 + random.Below(8));
        break;
      case 2:
        bytes.insert(random.Below(size), RandomBytes(random, 1 + random.Below(8)));
        break;
      default:
        bytes[random.Below(size)] ^= static_cast<char>(1 << random.Below(8));
    }
  }
}

TEST(Decoders, RandomBytes_AreRefusedOrDecodeWithinTheLimits) {
  RandomStream random({.seed = 50});
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    accepted += CheckDecodersOn(RandomBytes(random, random.Below(600))) ? 1 : 0;
  }
  // Random payloads of a few values are accepted at times; a run that never got there says little.
  EXPECT_GT(accepted, 5);
}

TEST(Decoders, MutatedPayloads_AreRefusedOrDecodeWithinTheLimits) {
  RandomStream random({.seed = 51});
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::vector<float> values = RandomUpdate(random.Below(600), random.Next32());
    std::string payload = *Encode(kAllCodecs[random.Below(std::size(kAllCodecs))], values);
    Mutate(random, payload);
    accepted += CheckDecodersOn(payload) ? 1 : 0;
  }
  EXPECT_GT(accepted, 500);
}

// A mutation goes unseen with probability 2^-32.
TEST(ReadFrame, MutatedFrames_AreRefusedUnlessIdentical) {
  RandomStream random({.seed = 52});
  for (int i = 0; i < 5000; ++i) {
    const absl::string_view codec = kAllCodecs[random.Below(std::size(kAllCodecs))];
    const std::vector<float> values = RandomUpdate(random.Below(600), random.Next32());
    const std::string frame = *EncodeFrame(*EncoderOf(codec), values, 3, {});
    std::string mutated = frame;
    Mutate(random, mutated);
    const DecodeLimits limits{.count = static_cast<int64_t>(values.size()), .max_abs_value = 16.0f};
    EXPECT_EQ(ReadFrame(mutated, *DecoderOf(codec), limits).ok(), mutated == frame);
    CheckDecodersOn(mutated);
  }
}

}  // namespace
}  // namespace tern::compression
