#include "tests/compression/decode_property.h"

#include <gtest/gtest.h>

#include "compression/frame.h"

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
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes = RandomBytes(random, random.Below(i % 2 == 0 ? 600 : 20));
    const auto size = static_cast<int64_t>(bytes.size());
    // Coordinates of 32, 16, 8 or 1 bits each, or any number.
    for (const int64_t count : {size / 4, size / 2, size, 8 * size, int64_t{random.Below(65536)}}) {
      accepted += CheckDecodersOn(count, bytes) ? 1 : 0;
    }
  }
  // Random payloads of a few values are accepted at times; a run that never got there says little.
  EXPECT_GT(accepted, 50);
}

// The bytes of a random update under `codec`.
std::string RandomFrame(RandomStream& random, size_t codec, int64_t count) {
  const DecoderContext context(count);
  const std::vector<float> values = RandomUpdate(count, random.Next32());
  return EncodeFrame(*EncoderOf(kAllCodecs[codec]), values, 3, *context).value();
}

TEST(Decoders, MutatedPayloads_AreRefusedOrDecodeWithinTheLimits) {
  RandomStream random({.seed = 51});
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    const size_t codec = random.Below(std::size(kAllCodecs));
    const int64_t count = random.Below(600);
    std::string payload = RandomFrame(random, codec, count).substr(kFrameHeaderBytes);
    EXPECT_TRUE(CheckDecoderOn({.codec = codec, .count = count, .bytes = payload}));
    Mutate(random, payload);
    accepted += CheckDecodersOn(count, payload) ? 1 : 0;
  }
  EXPECT_GT(accepted, 100);
}

// A mutation goes unseen with probability 2^-32.
TEST(ReadFrame, MutatedFrames_AreRefusedUnlessIdentical) {
  RandomStream random({.seed = 52});
  for (int i = 0; i < 1000; ++i) {
    const size_t codec = random.Below(std::size(kAllCodecs));
    const int64_t count = random.Below(600);
    const std::string frame = RandomFrame(random, codec, count);
    std::string mutated = frame;
    Mutate(random, mutated);
    const DecoderContext context(count);
    EXPECT_EQ(ReadFrame(mutated, *DecoderOf(kAllCodecs[codec]), *context, kLargestFinite).ok(),
              mutated == frame);
    CheckDecoderOn({.codec = codec, .count = count, .bytes = mutated});
  }
}

TEST(DecoderInput, IsParsedAsItWasWritten) {
  for (const int64_t count : {0, 259, 65535, 3 * 50000}) {
    const std::string written =
        DecoderInput{.codec = 5, .count = count, .bytes = "payload"}.ToString();
    const DecoderInput input = DecoderInput::Parse(written);
    EXPECT_EQ(input.codec, 5u);
    EXPECT_EQ(input.count, count);
    EXPECT_EQ(input.bytes, "payload");
  }
  EXPECT_EQ(DecoderInput::Parse("").count, 0);
}

}  // namespace
}  // namespace tern::compression
