#include "compression/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "tests/compression/codec_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::compression {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

TEST(ParseCodec, NameAndArguments_AreStages) {
  EXPECT_THAT(ParseCodec("none")->stages, ElementsAre(StageSpec{.name = "none"}));
  EXPECT_THAT(ParseCodec("quantize(8)")->stages,
              ElementsAre(StageSpec{.name = "quantize", .arguments = {8.0}}));
}

TEST(ParseCodec, SpacesAndOtherSpellingsOfANumber_GiveTheCanonicalString) {
  for (const absl::string_view text :
       {"quantize(8)", " quantize ( 8 ) ", "quantize(8.0)", "quantize(0.8e1)", "\tquantize(+8)"}) {
    const auto codec = ParseCodec(text);
    ASSERT_THAT(codec, IsOk()) << text;
    EXPECT_EQ(codec->ToString(), "quantize(8)");
    EXPECT_EQ(*codec, *ParseCodec("quantize(8)"));
  }
}

TEST(ToString, PipelinesAndNumbers_AreShortAndExact) {
  const CodecSpec spec = {.stages = {{.name = "a", .arguments = {0.1, -3}},
                                     {.name = "b"},
                                     {.name = "c", .arguments = {1e-30}}}};
  EXPECT_EQ(spec.ToString(), "a(0.1, -3)|b|c(1e-30)");
}

struct BadCodec {
  std::string text;
  std::string message;
};

class ParseCodecErrors : public ::testing::TestWithParam<BadCodec> {};

TEST_P(ParseCodecErrors, AreInvalidArgumentAndQuoteTheString) {
  EXPECT_THAT(ParseCodec(GetParam().text),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("codec '", GetParam().text, "': ", GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Codecs, ParseCodecErrors,
    ::testing::Values(
        BadCodec{"", "a stage has no name, expected stage|stage|..."},
        BadCodec{"none|", "a stage has no name"}, BadCodec{"|none", "a stage has no name"},
        BadCodec{"(8)", "a stage has no name"},
        BadCodec{"nothing",
                 "unknown stage 'nothing'; there are none, quantize(bits), topk(fraction)"},
        BadCodec{"None", "unknown stage 'None'"},
        BadCodec{"quantize(8", "stage 'quantize(8': expected ')' at its end"},
        BadCodec{"quantize(8)x", "stage 'quantize(8)x': expected ')' at its end"},
        BadCodec{"quantize)", "unknown stage 'quantize)'"},
        BadCodec{"quantize(eight)", "stage 'quantize': argument 'eight' is not a finite number"},
        BadCodec{"quantize(inf)", "stage 'quantize': argument 'inf' is not a finite number"},
        BadCodec{"quantize(nan)", "stage 'quantize': argument 'nan' is not a finite number"},
        BadCodec{"quantize(1e999)", "stage 'quantize': argument '1e999' is not a finite number"},
        BadCodec{"quantize((8))", "stage 'quantize': argument '(8)' is not a finite number"},
        BadCodec{"quantize()", "stage 'quantize': argument '' is not a finite number"},
        BadCodec{"quantize", "stage 'quantize' has 0 arguments, expected one: bits"},
        BadCodec{"quantize(8, 2)", "stage 'quantize' has 2 arguments, expected one: bits"},
        BadCodec{"quantize(4)", "stage 'quantize' bits is 4, expected 8"},
        BadCodec{"quantize(8.5)", "stage 'quantize' bits is 8.5, expected 8"},
        BadCodec{"topk", "stage 'topk' has 0 arguments, expected one: fraction"},
        BadCodec{"topk(0)", "stage 'topk' fraction is 0, expected above 0, at most 1"},
        BadCodec{"topk(-0.1)", "stage 'topk' fraction is -0.1, expected above 0, at most 1"},
        BadCodec{"topk(1.01)", "stage 'topk' fraction is 1.01, expected above 0, at most 1"},
        BadCodec{"topk(nan)", "stage 'topk': argument 'nan' is not a finite number"},
        BadCodec{"topk(0.1)|quantize(8)", "stage 'quantize' takes values but would get bytes"},
        BadCodec{"none(1)", "stage 'none' has 1 arguments, expected none"},
        BadCodec{"quantize(8)|none", "stage 'none' takes values but would get bytes"},
        BadCodec{"none|none", "stage 'none' takes values but would get bytes"},
        BadCodec{"none|none|none|none|none|none|none|none|none",
                 "has 9 stages, expected at most 8"}));

TEST(ParseCodec, LongText_IsRefusedWithoutBeingRepeated) {
  const auto codec = ParseCodec(std::string(100000, 'x'));
  EXPECT_THAT(codec, StatusIs(absl::StatusCode::kInvalidArgument,
                              "...' has 100000 bytes, expected at most 256"));
  EXPECT_LT(codec.status().message().size(), 200u);
}

// Strings of the grammar's characters: refused, or canonical after one pass.
TEST(ParseCodec, ArbitraryText_IsRefusedOrReadsBackAsItself) {
  constexpr absl::string_view kPieces[] = {"none", "quantize", "(8)", "(", ")", "8", "|",
                                           ",",    " ",        ".",   "-", "e", "x", "\0"};
  RandomStream random({.seed = 40});
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const uint32_t pieces = random.Below(6);
    for (uint32_t piece = 0; piece < pieces; ++piece) {
      absl::StrAppend(&text, kPieces[random.Below(std::size(kPieces))]);
    }
    const auto codec = ParseCodec(text);
    if (!codec.ok()) continue;
    ++accepted;
    const auto again = ParseCodec(codec->ToString());
    ASSERT_THAT(again, IsOk()) << text;
    ASSERT_EQ(*again, *codec) << text;
    ASSERT_EQ(again->ToString(), codec->ToString()) << text;
  }
  EXPECT_GT(accepted, 100);
}

TEST(LeavesOutCoordinates, OnlySparseCodecsDo) {
  EXPECT_FALSE(ParseCodec("none")->LeavesOutCoordinates());
  EXPECT_FALSE(ParseCodec("quantize(8)")->LeavesOutCoordinates());
  EXPECT_TRUE(ParseCodec("topk(0.01)")->LeavesOutCoordinates());
}

TEST(ListStages, EveryStage_HasUsageDescriptionEncoderAndDecoder) {
  std::vector<std::string> usages;
  for (const StageInfo& stage : ListStages()) {
    usages.push_back(stage.usage);
    EXPECT_FALSE(stage.description.empty());
  }
  EXPECT_THAT(usages, ElementsAre("none", "quantize(bits)", "topk(fraction)"));
  EXPECT_EQ(std::size(kAllCodecs), usages.size()) << "add the new stage to kAllCodecs";
  for (const absl::string_view codec : kAllCodecs) {
    EXPECT_NE(EncoderOf(codec), nullptr);
    EXPECT_NE(DecoderOf(codec), nullptr);
  }
}

TEST(MakeEncoderDeathTest, SpecThatWasNotParsed_IsABugOfTheCaller) {
  EXPECT_DEATH(MakeEncoder({.stages = {{.name = "unknown"}}}), "check failed");
  EXPECT_DEATH(MakeDecoder({}), "check failed");
}

// What holds for every codec.
class EveryCodec : public ::testing::TestWithParam<absl::string_view> {};

TEST_P(EveryCodec, Encode_AppendsWithinTheBoundsThatItStates) {
  const auto encoder = EncoderOf(GetParam());
  for (const int64_t size : kSizes) {
    std::string bytes = "before";
    ByteWriter writer(&bytes);
    std::string scratch(static_cast<size_t>(encoder->ScratchBytes(size)), '\0');
    ASSERT_THAT(encoder->Encode(RandomUpdate(size, 1), {}, absl::MakeSpan(scratch), writer),
                IsOk());
    EXPECT_LE(static_cast<int64_t>(bytes.size()), 6 + encoder->MaxEncodedBytes(size));
    EXPECT_GE(static_cast<int64_t>(bytes.size()), 6 + encoder->MinEncodedBytes(size));
    EXPECT_EQ(bytes.substr(0, 6), "before");
  }
}

TEST_P(EveryCodec, Encode_IsDeterministicAndValid) {
  for (const int64_t size : kSizes) {
    const std::vector<float> values = RandomUpdate(size, 2);
    const auto payload = Encode(GetParam(), values);
    ASSERT_THAT(payload, IsOk());
    EXPECT_EQ(*payload, *Encode(GetParam(), values));
    EXPECT_THAT(Validate(GetParam(), *payload, size), IsOk());
  }
}

TEST_P(EveryCodec, DecodeInto_GivesAscendingBlocksThatCoverEveryCoordinate) {
  class CoverageSink final : public UpdateSink {
   public:
    void Add(int64_t offset, absl::Span<const float> values) override {
      EXPECT_EQ(offset, next);
      EXPECT_FALSE(values.empty());
      next += static_cast<int64_t>(values.size());
    }
    void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float>) override {
      for (const int32_t index : indices) {
        EXPECT_GT(index, last);
        last = index;
      }
      next = count;  // all others are 0
    }
    int64_t count = 0;
    int64_t next = 0;
    int32_t last = -1;
  };
  for (const int64_t size : kSizes) {
    CoverageSink sink;
    sink.count = size;
    DecoderOf(GetParam())->DecodeInto(*Encode(GetParam(), RandomUpdate(size, 3)), size, sink);
    EXPECT_EQ(sink.next, size);
  }
}

TEST_P(EveryCodec, Decode_AnyAlignment_GivesTheSame) {
  const std::string payload = *Encode(GetParam(), RandomUpdate(600, 4));
  const std::vector<float> expected = Decode(GetParam(), payload, 600);
  for (size_t shift = 1; shift < 8; ++shift) {
    const std::string shifted = std::string(shift, 'x') + payload;
    const absl::string_view view = absl::string_view(shifted).substr(shift);
    EXPECT_THAT(Validate(GetParam(), view, 600), IsOk());
    EXPECT_EQ(Decode(GetParam(), view, 600), expected);
  }
}

TEST_P(EveryCodec, Encode_ValueThatIsNotFinite_IsNamedByItsIndex) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const int64_t index : {0, 255, 256, 299}) {
    for (const auto& [bad, shown] : std::vector<std::pair<float, const char*>>{
             {std::nanf(""), "nan"}, {infinity, "inf"}, {-infinity, "-inf"}}) {
      std::vector<float> values = RandomUpdate(300, 5);
      values[static_cast<size_t>(index)] = bad;
      EXPECT_THAT(Encode(GetParam(), values),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           absl::StrCat("coordinate ", index, " is ", shown,
                                        ", expected a finite number")));
    }
  }
}

TEST_P(EveryCodec, Validate_AnyOtherSize_IsDataLoss) {
  const std::string payload = *Encode(GetParam(), RandomUpdate(300, 6));
  for (size_t size = 0; size < payload.size(); ++size) {
    ASSERT_THAT(Validate(GetParam(), absl::string_view(payload).substr(0, size), 300),
                StatusIs(absl::StatusCode::kDataLoss,
                         absl::StrCat("truncated: payload of ", size, " bytes, expected ")));
  }
  EXPECT_THAT(Validate(GetParam(), payload + "x", 300),
              StatusIs(absl::StatusCode::kDataLoss, "trailing bytes: payload of "));
}

TEST_P(EveryCodec, LargestAllowedMagnitude_IsAcceptedAndNotExceeded) {
  for (const float limit : {16.0f, 0.1f, 1e-30f, 3.0f, std::numeric_limits<float>::max()}) {
    const std::vector<float> values = {limit, -limit, 0.0f};
    const std::string payload = *Encode(GetParam(), values);
    EXPECT_THAT(Validate(GetParam(), payload, 3, limit), IsOk());
    for (const float value : Decode(GetParam(), payload, 3)) EXPECT_LE(std::abs(value), limit);
    if (limit == std::numeric_limits<float>::max()) continue;
    const std::vector<float> above = {limit * 1.001f};
    EXPECT_THAT(Validate(GetParam(), *Encode(GetParam(), above), 1, limit),
                StatusIs(absl::StatusCode::kInvalidArgument, "at most"));
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EveryCodec, ::testing::ValuesIn(kAllCodecs),
                         [](const auto& param_info) {
                           return std::string(
                               param_info.param.substr(0, param_info.param.find('(')));
                         });

}  // namespace
}  // namespace tern::compression
