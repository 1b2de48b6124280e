#include "simulation/updates.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "compression/frame.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;

std::string FrameOf(absl::string_view codec, const std::vector<float>& values) {
  const auto encoder = compression::MakeEncoder(compression::ParseCodec(codec).value());
  return compression::EncodeFrame(*encoder, values, 5, {}).value();
}

class ReadUpdateTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<float>> Read(absl::string_view bytes) {
    EXPECT_THAT(WriteFileAtomically(path_, bytes), IsOk());
    return ReadUpdate(path_);
  }
  // The message says which file, what is wrong with it, and what it should be.
  void ExpectRefused(absl::string_view bytes, absl::StatusCode code, const std::string& said) {
    const absl::Status status = Read(bytes).status();
    EXPECT_THAT(status, StatusIs(code, said));
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(path_, ": ")));
    EXPECT_THAT(std::string(status.message()), HasSubstr("expected a frame of codec 'none'"));
  }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("update.tern");
  const std::vector<float> values_ = {1.0f, -2.5f, 0.0f, 1e-30f, 7.0f};
};

TEST_F(ReadUpdateTest, AFrameOfCodecNone_GivesItsValues) {
  const auto values = Read(FrameOf("none", values_));
  ASSERT_THAT(values, IsOk());
  EXPECT_EQ(*values, values_);
}

TEST_F(ReadUpdateTest, EveryTruncation_IsAnError) {
  const std::string frame = FrameOf("none", values_);
  for (size_t size = 0; size < frame.size(); ++size) {
    ExpectRefused(frame.substr(0, size), absl::StatusCode::kDataLoss, "truncated");
  }
}

TEST_F(ReadUpdateTest, EveryDamagedByte_IsAnError) {
  const std::string frame = FrameOf("none", values_);
  for (size_t i = 0; i < frame.size(); ++i) {
    std::string damaged = frame;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(Read(damaged).ok()) << i;
  }
}

TEST_F(ReadUpdateTest, AFileThatIsNoFrame_IsNamed) {
  ExpectRefused("a text of some length, no frame", absl::StatusCode::kInvalidArgument,
                "not a Tern frame");
}

TEST_F(ReadUpdateTest, AFrameOfAnotherCodec_IsRefused) {
  ExpectRefused(FrameOf("quantize(8)", std::vector<float>(1000, 1.0f)),
                absl::StatusCode::kInvalidArgument, "count is 1000");
}

TEST_F(ReadUpdateTest, WithoutCoordinates_IsRefused) {
  ExpectRefused(FrameOf("none", {}), absl::StatusCode::kInvalidArgument, "holds no coordinates");
}

TEST_F(ReadUpdateTest, AFileThatIsNotThere_IsNotFound) {
  EXPECT_THAT(ReadUpdate(directory_.File("none")),
              StatusIs(absl::StatusCode::kNotFound, "/none: "));
}

TEST(WriteRecordedUpdates, EachIsAFileThatNamesRoundAndClient) {
  const testing::TemporaryDirectory run;
  ASSERT_THAT(
      WriteRecordedUpdates(
          run.path(), {{.round = 1, .client_id = "client-7", .model_version = 0, .values = {1, 2}},
                       {.round = 12, .client_id = "client-7", .model_version = 11, .values = {3}}}),
      IsOk());
  EXPECT_EQ(ReadUpdate(run.File("updates/round_0001_client-7.tern")).value(),
            (std::vector<float>{1, 2}));
  EXPECT_EQ(ReadTextFile(run.File("updates/round_0001_client-7.tern"), 1000)->size(), 16u + 8u);
  EXPECT_EQ(ReadUpdate(run.File("updates/round_0012_client-7.tern")).value(),
            (std::vector<float>{3}));
}

TEST(WriteRecordedUpdates, OfNone_LeavesNoDirectory) {
  const testing::TemporaryDirectory run;
  ASSERT_THAT(WriteRecordedUpdates(run.path(), {}), IsOk());
  EXPECT_FALSE(std::filesystem::exists(RecordedUpdatesDirectory(run.path())));
}

TEST(WriteRecordedUpdates, WhereNothingCanBeWritten_NamesTheDirectory) {
  const testing::TemporaryDirectory directory;
  ASSERT_THAT(WriteFileAtomically(directory.File("run"), "a file"), IsOk());
  const absl::Status status = WriteRecordedUpdates(
      directory.File("run"), {{.round = 1, .client_id = "client-7", .values = {1}}});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/run/updates"));
}

// The mean of n values of variance v is off by 5 sqrt(v/n) once in 1.7 million times; the mean
// magnitudes are those of the distributions: sqrt(2/pi), sqrt(1/2), 2 sqrt(3)/pi.
TEST(DrawUpdate, HasTheMomentsOfItsDistribution) {
  constexpr int64_t kCount = 200'000;
  struct Case {
    const char* name;
    double variance;
    double mean_magnitude;
  };
  for (const Case& of : {Case{"gaussian", 1, 0.797885}, Case{"laplace", 1, 0.707107},
                         Case{"student", 3, 1.102658}}) {
    const std::vector<float> values = DrawUpdate(of.name, kCount, 3).value();
    ASSERT_EQ(values.size(), static_cast<size_t>(kCount));
    double sum = 0.0, magnitudes = 0.0;
    for (const float value : values) {
      ASSERT_TRUE(std::isfinite(value));
      sum += value;
      magnitudes += std::fabs(value);
    }
    const double allowed = 5 * std::sqrt(of.variance / kCount);
    EXPECT_NEAR(sum / kCount, 0.0, allowed) << of.name;
    EXPECT_NEAR(magnitudes / kCount, of.mean_magnitude, allowed) << of.name;
  }
}

TEST(DrawUpdate, DependsOnItsArgumentsAlone) {
  const std::vector<float> values = DrawUpdate("laplace", 100, 1).value();
  EXPECT_EQ(DrawUpdate("laplace", 100, 1).value(), values);
  EXPECT_NE(DrawUpdate("laplace", 100, 2).value(), values);
  EXPECT_NE(DrawUpdate("gaussian", 100, 1).value(), values);
}

TEST(DrawUpdate, BadArguments_AreNamed) {
  using absl::StatusCode;
  EXPECT_THAT(DrawUpdate("cauchy", 10, 1),
              StatusIs(StatusCode::kInvalidArgument,
                       "'cauchy' is unknown, expected gaussian, laplace, student"));
  EXPECT_THAT(DrawUpdate("gaussian", 0, 1),
              StatusIs(StatusCode::kInvalidArgument, "count is 0 coordinates, expected 1 to "));
  EXPECT_THAT(DrawUpdate("gaussian", -1, 1), StatusIs(StatusCode::kInvalidArgument, "-1"));
  EXPECT_THAT(DrawUpdate("gaussian", std::numeric_limits<int64_t>::max(), 1),
              StatusIs(StatusCode::kInvalidArgument, "expected 1 to 1073741824"));
}

}  // namespace
}  // namespace tern::simulation
