#include "simulation/codec_measurement.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "compression/frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/updates.h"
#include "tests/testing/status_matchers.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;

// Every look at it takes a millisecond.
class SteppingClock final : public Clock {
 public:
  absl::Duration Now() const override { return absl::Milliseconds(++looks); }
  mutable int64_t looks = 0;
};

compression::CodecSpec Spec(const std::string& codec) {
  return compression::ParseCodec(codec).value();
}

CodecMeasurement Measure(const std::string& codec, const std::vector<float>& update,
                         const MeasureOptions& options = {}) {
  const auto result = MeasureCodec(Spec(codec), update, options);
  EXPECT_THAT(result, IsOk());
  return result.value_or(CodecMeasurement{});
}

TEST(MeasureCodec, OfNone_IsTheFloatsAndTheHeader) {
  const CodecMeasurement none = Measure("none", std::vector<float>(1000, 0.5f));
  EXPECT_EQ(none.codec, "none");
  EXPECT_EQ(none.frame_bytes, 4016);
  EXPECT_DOUBLE_EQ(none.bits_per_parameter(), 32.128);
  EXPECT_DOUBLE_EQ(none.times_smaller(), 4000.0 / 4016.0);
  EXPECT_EQ(none.nmse, 0.0);
  EXPECT_EQ(none.distance_bits(), std::nullopt);
  EXPECT_EQ(none.encode_bytes_per_s, std::nullopt);
  EXPECT_EQ(none.decode_bytes_per_s, std::nullopt);
}

TEST(MeasureCodec, OfWhatIsLeftOut_TheErrorIsItsShareOfTheSquares) {
  // The largest of four is kept: 4 + 1 + 1 of 9 + 4 + 1 + 1 are lost.
  const CodecMeasurement topk = Measure("topk(0.25)", {1, -3, 2, 1});
  EXPECT_DOUBLE_EQ(topk.nmse, 6.0 / 15.0);
  EXPECT_NEAR(topk.distance_bits().value(), topk.bits_per_parameter() + 0.5 * std::log2(0.4),
              1e-12);
}

// The mean over 256 blocks of 4096 is within 5 deviations of Lloyd and Max's distortion.
TEST(MeasureCodec, OfNormalNumbers_EdenHasTheErrorOfItsCodebook) {
  const std::vector<float> update = DrawUpdate("gaussian", int64_t{1} << 20, 1).value();
  const CodecMeasurement eden = Measure("rotate|eden(2, mse)", update);
  EXPECT_NEAR(eden.nmse, 0.1175, 0.001);
  EXPECT_NEAR(eden.bits_per_parameter(), 2.004, 0.001);
  EXPECT_NEAR(eden.distance_bits().value(), 0.46, 0.01);
}

TEST(MeasureCodec, OfZeros_HasNoError) {
  for (const char* codec : {"quantize(8)", "sign", "topk(0.1)|ternary", "rotate|eden(2)"}) {
    EXPECT_EQ(Measure(codec, std::vector<float>(100)).nmse, 0.0) << codec;
  }
}

TEST(MeasureCodec, Speeds_AreOfTheUpdateAsFloats_OverTheMedianTime) {
  const SteppingClock clock;
  const std::vector<float> update(1000, 1.0f);
  const CodecMeasurement timed =
      Measure("quantize(8)", update, {.clock = &clock, .repetitions = 7});
  EXPECT_DOUBLE_EQ(timed.encode_bytes_per_s.value(), 4000.0 / 1e-3);
  EXPECT_DOUBLE_EQ(timed.decode_bytes_per_s.value(), 4000.0 / 1e-3);
  EXPECT_EQ(clock.looks, 2 * 2 * 7);
}

TEST(MeasureCodec, WithoutANumber_RepeatsForAFifthOfASecond) {
  const SteppingClock clock;
  Measure("none", {1.0f}, {.clock = &clock});
  EXPECT_EQ(clock.looks, 2 * 2 * 200);
}

TEST(MeasureCodec, LargeMagnitudes_AreTimedToo) {
  const SteppingClock clock;
  EXPECT_THAT(MeasureCodec(Spec("none"), {1000.0f, -3.0f}, {.clock = &clock, .repetitions = 1}),
              IsOk());
}

TEST(MeasureCodec, WhatCannotBeEncoded_NamesTheCodec) {
  EXPECT_THAT(MeasureCodec(Spec("float16"), {1.0f, 1e6f}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "codec 'float16': "));
}

TEST(DefaultCodecs, HaveEveryStage_AndAllCanBeMeasured) {
  for (const double scale : {1.0, 1e-4, 0.0}) {
    std::vector<float> update = DrawUpdate("gaussian", 5000, 1).value();
    for (float& value : update) value *= static_cast<float>(scale);
    std::set<std::string> used;
    for (const std::string& codec : DefaultCodecs(update)) {
      SCOPED_TRACE(codec);
      const auto spec = compression::ParseCodec(codec);
      ASSERT_THAT(spec, IsOk());
      EXPECT_EQ(spec->ToString(), codec);
      for (const compression::StageSpec& stage : spec->stages) used.insert(stage.name);
      const CodecMeasurement result = Measure(codec, update);
      EXPECT_GT(result.frame_bytes, compression::kFrameHeaderBytes);
      EXPECT_LE(result.frame_bytes, 4 * 5000 + compression::kFrameHeaderBytes);
    }
    for (const compression::StageInfo& stage : compression::ListStages()) {
      const std::string name = stage.usage.substr(0, stage.usage.find_first_of("[("));
      if (name == "mask") continue;  // says nothing about an update that is all trained
      EXPECT_TRUE(used.contains(name)) << name;
    }
  }
}

TEST(DefaultCodecs, TheirThreshold_IsOfTheUpdatesSize) {
  const std::vector<std::string> codecs = DefaultCodecs({0.01f, -0.01f});
  EXPECT_THAT(codecs, ::testing::Contains("threshold(0.025)|ternary|rans"));
}

}  // namespace
}  // namespace tern::simulation
