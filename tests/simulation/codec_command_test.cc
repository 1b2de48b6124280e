#include "simulation/codec_command.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/updates.h"
#include "tests/simulation/svg_tools.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::nlohmann::json;
using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

CodecMeasurement SomeMeasurement() {
  return {.codec = "rotate|eden(2)|rans",
          .count = 1'000'000,
          .frame_bytes = 240'000,
          .scratch_bytes = 20'480,
          .nmse = 0.1331,
          .encode_bytes_per_s = 1.234e9,
          .decode_bytes_per_s = 12.34e9};
}

TEST(CodecTable, ColumnsAreAligned) {
  const std::vector<std::string> codecs = {"none", "rotate|eden(2)|rans"};
  const CodecTable table(codecs);
  const std::vector<std::string> head = absl::StrSplit(table.Head(), '\n');
  EXPECT_THAT(
      head,
      ElementsAre("                         frame   bits per    times               dR  encode  "
                  "decode   encoder",
                  "codec                    bytes  parameter  smaller      NMSE   bits    GB/s    "
                  "GB/s   scratch",
                  std::string(93, '-'), ""));
  EXPECT_EQ(table.Line(SomeMeasurement()),
            "rotate|eden(2)|rans     240000      1.920     16.7     0.133   0.47    1.23    12.3  "
            " 20.5 kB\n");
}

TEST(CodecTable, WhatIsNotKnown_IsADash) {
  const std::vector<std::string> codecs = {"none"};
  EXPECT_EQ(CodecTable(codecs).Line({.codec = "none", .count = 1000, .frame_bytes = 4016}),
            "none        4016      32.13     1.00         0      -       -       -       0 B\n");
}

TEST(CodecTable, OfTheDefaultCodecs_FitsA120ColumnTerminal) {
  const std::vector<std::string> codecs = DefaultCodecs({0.00123f});
  EXPECT_LE(CodecTable(codecs).Head().find('\n'), 120u);
}

TEST(CodecJson, HasTheNumbersOfTheTable_AndNullForWhatIsNotKnown) {
  const json parsed = json::parse(CodecJson(
      "gaussian", {SomeMeasurement(), {.codec = "none", .count = 1000, .frame_bytes = 4016}}));
  EXPECT_EQ(parsed.at("update"), "gaussian");
  ASSERT_EQ(parsed.at("codecs").size(), 2u);
  const json& eden = parsed.at("codecs").at(0);
  EXPECT_EQ(eden.at("codec"), "rotate|eden(2)|rans");
  EXPECT_EQ(eden.at("count"), 1'000'000);
  EXPECT_EQ(eden.at("frame_bytes"), 240'000);
  EXPECT_DOUBLE_EQ(eden.at("bits_per_parameter"), 1.92);
  EXPECT_DOUBLE_EQ(eden.at("times_smaller"), 4e6 / 240'000);
  EXPECT_DOUBLE_EQ(eden.at("nmse"), 0.1331);
  EXPECT_NEAR(eden.at("distance_bits"), 0.4653, 1e-4);
  EXPECT_DOUBLE_EQ(eden.at("encode_bytes_per_s"), 1.234e9);
  EXPECT_DOUBLE_EQ(eden.at("decode_bytes_per_s"), 12.34e9);
  EXPECT_EQ(eden.at("scratch_bytes"), 20'480);
  const json& none = parsed.at("codecs").at(1);
  EXPECT_TRUE(none.at("distance_bits").is_null());
  EXPECT_TRUE(none.at("encode_bytes_per_s").is_null());
  EXPECT_TRUE(none.at("decode_bytes_per_s").is_null());
}

class ShowCodecsTest : public ::testing::Test {
 protected:
  static std::string Read(const std::string& path) {
    return ReadTextFile(path, 1 << 20).value_or("unreadable");
  }
  // What is printed while it succeeds.
  static std::string Show(const CodecCommand& command) {
    ::testing::internal::CaptureStdout();
    EXPECT_THAT(ShowCodecs(command), IsOk());
    return ::testing::internal::GetCapturedStdout();
  }

  const testing::TemporaryDirectory directory_;
};

TEST_F(ShowCodecsTest, WithoutCodecs_ListsTheDefaultOnes_AndAgainTheSame) {
  const CodecCommand command = {.count = 3000, .timing = false};
  const std::string text = Show(command);
  EXPECT_THAT(text, StartsWith("Update: gaussian, seed 1, 3000 parameters, 12.0 kB as 32-bit "
                               "floats.\n\n"));
  for (const std::string& codec : DefaultCodecs(DrawUpdate("gaussian", 3000, 1).value())) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", codec, "  ")));
  }
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 120u) << line;
    EXPECT_THAT(std::string(line), Not(::testing::EndsWith(" ")));
  }
  EXPECT_EQ(Show(command), text);
}

TEST_F(ShowCodecsTest, OfARecordedUpdate_NamesTheFileAndMeasuresItsValues) {
  ASSERT_THAT(WriteRecordedUpdates(
                  directory_.path(),
                  {{.round = 1, .client_id = "client-1", .values = {3, 1, 1, 1, 2, 2, 2, 1}}}),
              IsOk());
  const std::string file = directory_.File("updates/round_0001_client-1.tern");
  const std::string json_file = directory_.File("codecs.json");
  const std::string text =
      Show({.codecs = {" topk( 0.125 ) "}, .update = file, .timing = false, .json = json_file});
  EXPECT_THAT(text, StartsWith(absl::StrCat("Update: ", file, ", 8 parameters, 32 B")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", json_file, " written\n")));
  const json codec = json::parse(Read(json_file)).at("codecs").at(0);
  EXPECT_EQ(codec.at("codec"), "topk(0.125)");
  EXPECT_EQ(codec.at("count"), 8);
  EXPECT_DOUBLE_EQ(codec.at("nmse"), 16.0 / 25.0);
}

TEST_F(ShowCodecsTest, Timed_HasSpeeds) {
  const std::string file = directory_.File("codecs.json");
  Show({.codecs = {"none"}, .count = 100, .repetitions = 3, .json = file});
  const json codec = json::parse(Read(file)).at("codecs").at(0);
  EXPECT_GT(codec.at("encode_bytes_per_s"), 0.0);
  EXPECT_GT(codec.at("decode_bytes_per_s"), 0.0);
}

TEST_F(ShowCodecsTest, Plot_IsDrawn) {
  const std::string file = directory_.File("codecs.svg");
  const std::string text = Show({.codecs = {"sign"}, .count = 500, .timing = false, .plot = file});
  EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", file, " written\n")));
  EXPECT_TRUE(IsWellFormed(Read(file)));
  EXPECT_THAT(Read(file), HasSubstr("Update: gaussian, seed 1, 500 parameters"));
}

TEST_F(ShowCodecsTest, AnErrorInOneCodec_IsFoundBeforeAnythingIsPrinted) {
  ::testing::internal::CaptureStdout();
  EXPECT_THAT(ShowCodecs({.codecs = {"none", "quantise(8)"}, .timing = false}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "codec 'quantise(8)': unknown stage 'quantise'; there are "));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(ShowCodecsTest, BadUpdates_AreErrors) {
  const CodecCommand command = {.codecs = {"none"}, .timing = false};
  CodecCommand none = command;
  none.count = 0;
  EXPECT_THAT(ShowCodecs(none), StatusIs(absl::StatusCode::kInvalidArgument, "count is 0"));
  CodecCommand unknown = command;
  unknown.distribution = "cauchy";
  EXPECT_THAT(ShowCodecs(unknown), StatusIs(absl::StatusCode::kInvalidArgument, "'cauchy'"));
  CodecCommand no_frame = command;
  no_frame.update = directory_.File("text");
  ASSERT_THAT(WriteFileAtomically(no_frame.update, "no frame, but long enough for one"), IsOk());
  EXPECT_THAT(ShowCodecs(no_frame),
              StatusIs(absl::StatusCode::kInvalidArgument, "not a Tern frame"));
}

TEST_F(ShowCodecsTest, FilesThatCannotBeWritten_AreErrors) {
  const std::string nowhere = directory_.File("nowhere/file");
  ::testing::internal::CaptureStdout();
  EXPECT_THAT(ShowCodecs({.codecs = {"none"}, .count = 10, .timing = false, .json = nowhere}),
              StatusIs(absl::StatusCode::kNotFound, nowhere));
  EXPECT_THAT(ShowCodecs({.codecs = {"none"}, .count = 10, .timing = false, .plot = nowhere}),
              StatusIs(absl::StatusCode::kNotFound, nowhere));
  ::testing::internal::GetCapturedStdout();
}

}  // namespace
}  // namespace tern::simulation
