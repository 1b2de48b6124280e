// The bytes on the wire, against files made from docs/wire-format.md by an independent program. A
// change here is a change of the format: raise its version and say so in CHANGELOG.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "compression/frame.h"
#include "core/base/crc32c.h"
#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;

constexpr char kFolder[] = "tests/golden/frames";

// A file's parts by name (tests/golden/README.md): what stands behind the name, or the bytes of the
// lines below it.
using Parts = std::map<std::string, std::string>;

Parts ReadParts(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  Parts parts;
  std::string* part = nullptr;
  for (std::string line; std::getline(file, line);) {
    int64_t zeros = 0;
    if (absl::StartsWith(line, "# ")) {
      const std::pair<std::string, std::string> named =
          absl::StrSplit(line.substr(2), absl::MaxSplits(' ', 1));
      part = &parts.insert(named).first->second;
    } else if (absl::StartsWith(line, "zeros ") && absl::SimpleAtoi(line.substr(6), &zeros)) {
      part->append(static_cast<size_t>(zeros) * sizeof(float), '\0');
    } else {
      part->append(absl::HexStringToBytes(line));
    }
  }
  return parts;
}

int64_t ToNumber(absl::string_view text) {
  int64_t number = -1;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << text;
  return number;
}

class GoldenFrame : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenFrame() : parts_(ReadParts(GetParam())) {
    values_.resize(parts_["values"].size() / sizeof(float));
    if (!values_.empty()) {
      std::memcpy(values_.data(), parts_["values"].data(), parts_["values"].size());
    }
    for (absl::string_view size : absl::StrSplit(parts_["tensors"], ' ', absl::SkipEmpty())) {
      tensor_sizes_.push_back(ToNumber(size));
    }
    mask_.full_size = static_cast<int64_t>(values_.size());
    for (absl::string_view run : absl::StrSplit(parts_["mask"], ' ', absl::SkipEmpty())) {
      const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(run, '+');
      mask_.runs.push_back({ToNumber(ends.first), ToNumber(ends.second)});
      mask_.size += mask_.runs.back().size;
    }
    EXPECT_TRUE(absl::SimpleAtoi(parts_["seed"], &context_.key.seed));
    context_.key.round = static_cast<uint64_t>(ToNumber(parts_["round"]));
    context_.key.client = HashClientId(parts_["client_id"]);
    context_.count = static_cast<int64_t>(values_.size());
    context_.tensor_sizes = tensor_sizes_;
    context_.mask = mask_.runs.empty() ? nullptr : &mask_;
  }

  Parts parts_;
  std::vector<float> values_;
  std::vector<int64_t> tensor_sizes_;
  CoordinateSet mask_;
  CodecContext context_;
};

TEST_P(GoldenFrame, TheEncoder_GivesTheseBytes) {
  // Zstandard has many encodings of the same bytes.
  if (absl::StrContains(parts_["codec"], "zstd")) return;
  const auto version = static_cast<uint64_t>(ToNumber(parts_["model_version"]));
  const auto frame = EncodeFrame(*EncoderOf(parts_["codec"]), values_, version, context_);
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(absl::BytesToHexString(*frame), absl::BytesToHexString(parts_["frame"]));
}

TEST_P(GoldenFrame, TheDecoder_GivesTheDescribedValues) {
  const auto decoder = DecoderOf(parts_["codec"]);
  const auto frame = ReadFrame(parts_["frame"], *decoder, context_, kLargestFinite);
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(frame->model_version, static_cast<uint64_t>(ToNumber(parts_["model_version"])));
  std::vector<float> decoded(values_.size(), 0.0f);
  DenseSink sink(absl::MakeSpan(decoded));
  decoder->DecodeInto(frame->payload, context_, sink);
  const uint32_t checksum = Crc32c(absl::string_view(reinterpret_cast<const char*>(decoded.data()),
                                                     decoded.size() * sizeof(float)));
  EXPECT_EQ(absl::StrFormat("%08x", checksum), absl::BytesToHexString(parts_["decoded_crc32c"]));
}

std::vector<std::string> Files() {
  std::vector<std::string> paths;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, missing)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenFrame, ::testing::ValuesIn(Files()), [](const auto& param) {
  return std::filesystem::path(param.param).stem().string();
});

TEST(GoldenFrames, AreOfEveryStage) {
  std::set<std::string> stages;
  for (const std::string& path : Files()) {
    const CodecSpec spec = ParseCodec(ReadParts(path)["codec"]).value();
    for (const StageSpec& stage : spec.stages) stages.insert(stage.name);
  }
  EXPECT_EQ(stages.size(), ListStages().size()) << "run from the root of the repository";
}

}  // namespace
}  // namespace tern::compression
