#include "client/update_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "compression/frame.h"
#include "core/wire/serialize.h"
#include "tests/testing/status_matchers.h"

namespace tern::client {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

Update WithSections(int64_t count) {
  Update update = {.lease_id = std::string(16, 'l'),
                   .base_hash = std::string(32, 'h'),
                   .report = {.num_examples = 3, .local_steps = 2, .metrics = {{"x", 1.0}}}};
  update.sections.push_back({.name = kParametersSection});
  if (count == 2) update.sections.push_back({.name = kControlSection});
  return update;
}

// `size` zeros, but for the first `kept` coordinates.
std::vector<float> Values(size_t size, size_t kept) {
  std::vector<float> values(size, 0.0f);
  for (size_t i = 0; i < kept; ++i) values[i] = 1.0f + static_cast<float>(i);
  return values;
}

// Frames that are as long as they can be, and much shorter: lengths in front of them take more
// bytes then, or fewer.
TEST(WriteUpdate, GivesTheBytesOfSerialize) {
  const auto codec = *compression::ParseCodec("threshold(0.5)");
  const auto encoder = compression::MakeEncoder(codec);
  for (const size_t size : {5, 500, 20000}) {
    for (const size_t first : {size_t{0}, size_t{3}, size}) {
      for (const size_t second : {size_t{1}, size_t{5}, size}) {
        const std::vector<std::vector<float>> values = {Values(size, first), Values(size, second)};
        const compression::CodecContext context = {.count = static_cast<int64_t>(size)};
        for (const int64_t count : {1, 2}) {
          Update update = WithSections(count);
          std::vector<SectionValues> sections = {{values[0], context}, {values[1], context}};
          sections.resize(static_cast<size_t>(count));
          std::string out = "what was there";
          const auto payloads = WriteUpdate(update, codec, 7, sections, out);
          ASSERT_THAT(payloads, IsOk());
          ASSERT_EQ(payloads->size(), sections.size());
          for (size_t i = 0; i < sections.size(); ++i) {
            std::string& frame = update.sections[i].frame;
            frame = *compression::EncodeFrame(*encoder, values[i], 7, context);
            EXPECT_EQ(payloads->at(i), absl::string_view(frame).substr(16));
          }
          EXPECT_EQ(out, Serialize(update)) << size << " " << first << " " << second;
        }
      }
    }
  }
}

TEST(WriteUpdate, ValuesThatTheCodecRefuses_AreInvalidArgument) {
  const auto codec = *compression::ParseCodec("quantize(8)");
  std::vector<float> values = Values(5, 5);
  std::vector<float> refused = values;
  refused[2] = std::numeric_limits<float>::infinity();
  const compression::CodecContext context = {.count = 5};
  std::string out;
  EXPECT_THAT(WriteUpdate(WithSections(2), codec, 7, {{values, context}, {refused, context}}, out),
              StatusIs(absl::StatusCode::kInvalidArgument, "2"));
}

}  // namespace
}  // namespace tern::client
