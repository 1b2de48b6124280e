// Replays what the fuzzers start from and what they once found.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/compression/codec_string_property.h"
#include "tests/compression/decode_property.h"

namespace tern::compression {
namespace {

// Counts the files of a corpus that `check` is true for.
template <typename Check>
int Replay(const std::string& corpus, Check check) {
  int accepted = 0;
  std::error_code missing;
  for (const auto& entry :
       std::filesystem::directory_iterator("tests/fuzz/corpus/" + corpus, missing)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    accepted += check(bytes) ? 1 : 0;
  }
  return accepted;
}

// A seed of each codec is accepted; where they no longer are, make them anew (README.md).
TEST(FuzzCorpus, Decoder_KeepsItsPromises) {
  const int accepted = Replay("decoder", [](const std::string& bytes) {
    return CheckDecoderOn(DecoderInput::Parse(bytes));
  });
  EXPECT_GE(accepted, static_cast<int>(std::size(kAllCodecs)))
      << "run from the root of the repository";
}

TEST(FuzzCorpus, CodecString_KeepsItsPromises) {
  const int accepted = Replay("codec_string", CheckCodecString);
  EXPECT_GE(accepted, static_cast<int>(std::size(kAllCodecs)))
      << "run from the root of the repository";
}

}  // namespace
}  // namespace tern::compression
