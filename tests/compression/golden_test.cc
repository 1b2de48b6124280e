// The bytes on the wire, against files made from docs/wire-format.md by an independent program. A
// change here is a change of the format: raise its version and say so in CHANGELOG.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;

// Hexadecimal digits; lines that begin with '#' are comments.
std::string ReadHexFile(const std::string& name) {
  std::ifstream file(absl::StrCat("tests/golden/", name));
  EXPECT_TRUE(file.is_open()) << "run from the root of the repository";
  std::string digits;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') digits += line;
  }
  return absl::HexStringToBytes(digits);
}

void ExpectFrameIs(absl::string_view codec, absl::Span<const float> values, uint64_t version,
                   const std::string& file) {
  const std::string golden = ReadHexFile(file);
  const auto frame = EncodeFrame(*EncoderOf(codec), values, version, {});
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(absl::BytesToHexString(*frame), absl::BytesToHexString(golden));
  const auto read =
      ReadFrame(golden, *DecoderOf(codec),
                {.count = static_cast<int64_t>(values.size()), .max_abs_value = 16.0f});
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->model_version, version);
}

TEST(Golden, None) {
  const float values[] = {0.0f, -0.0f, 1.5f, -2.25f, 0.1f, 1e-40f, -16.0f};
  ExpectFrameIs("none", values, 7, "none.hex");
}

TEST(Golden, Quantize8) {
  std::vector<float> values;
  for (int i = 0; i < 260; ++i) values.push_back(static_cast<float>(37 * i % 101 - 50) / 64.0f);
  ExpectFrameIs("quantize(8)", values, (uint64_t{1} << 40) + 3, "quantize8.hex");
}

TEST(Golden, TopK) {
  std::vector<float> values;
  for (int i = 0; i < 600; ++i) {
    const auto value = static_cast<float>(37 * i % 101 - 50) / 64.0f;
    values.push_back(i >= 100 && i < 400 ? 0.0f : value);
  }
  ExpectFrameIs("topk(0.1)", values, 12, "topk.hex");
}

}  // namespace
}  // namespace tern::compression
