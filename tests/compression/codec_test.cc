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
                                     {.name = "c", .arguments = {1e-30}, .option = "word"},
                                     {.name = "d", .arguments = {}, .option = "only"}}};
  EXPECT_EQ(spec.ToString(), "a(0.1, -3)|b|c(1e-30, word)|d(only)");
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
        BadCodec{"nothing", "unknown stage 'nothing'; there are mask, topk(fraction[, floor]), "},
        BadCodec{"None", "unknown stage 'None'"},
        BadCodec{"quantize(8", "stage 'quantize(8': expected ')' at its end"},
        BadCodec{"quantize(8)x", "stage 'quantize(8)x': expected ')' at its end"},
        BadCodec{"quantize)", "unknown stage 'quantize)'"},
        BadCodec{"quantize(inf)", "stage 'quantize': argument 'inf' is not a finite number"},
        BadCodec{"quantize(nan)", "stage 'quantize': argument 'nan' is not a finite number"},
        BadCodec{"quantize(1e999)", "stage 'quantize': argument '1e999' is not a finite number"},
        BadCodec{"quantize((8))", "stage 'quantize': argument '(8)' is not a finite number"},
        BadCodec{"quantize()", "stage 'quantize': argument '' is not a finite number"},
        BadCodec{"quantize(stochastic, 4)",
                 "stage 'quantize': argument 'stochastic' is not a finite number"},
        BadCodec{"quantize", "stage 'quantize' "}, BadCodec{"quantize(8, 2)", "stage 'quantize' "},
        BadCodec{"quantize(9)", "stage 'quantize' bits is 9, expected "},
        BadCodec{"quantize(8.5)", "stage 'quantize' bits is 8.5, expected "},
        BadCodec{"quantize(4, sometimes)", "stage 'quantize' option is 'sometimes', expected "},
        BadCodec{"topk", "stage 'topk' "},
        BadCodec{"topk(0)", "stage 'topk' fraction is 0, expected above 0, at most 1"},
        BadCodec{"topk(-0.1)", "stage 'topk' fraction is -0.1, expected above 0, at most 1"},
        BadCodec{"topk(1.01)", "stage 'topk' fraction is 1.01, expected above 0, at most 1"},
        BadCodec{"none(1)", "stage 'none' has 1 arguments, expected none"},
        BadCodec{"eden(2)", "stage 'eden' takes what 'rotate' gives; put rotate before it"},
        BadCodec{"rotate", "stage 'rotate' is of use before eden, ecsq, quantize or qsgd only"},
        BadCodec{"rotate|sign", "stage 'rotate' is of use before"},
        BadCodec{"rotate|ecsq(2)", "stage 'ecsq' is made for the coder 'rans'"},
        BadCodec{"ternary", "stage 'ternary' takes what a sparsifier kept"},
        BadCodec{"topk(0.1)|sign", "stage 'sign' behind a sparsifier is called 'ternary'"},
        BadCodec{"randk(0.1)|rice", "stage 'rice' codes positions, which only topk"},
        BadCodec{"quantize(8)|rice", "stage 'rice' codes positions"},
        BadCodec{"none|rans", "stage 'none' gives no symbols that a coder takes"},
        BadCodec{"topk(0.1)|rotate|eden(2)",
                 "stage 'rotate' (rotate) cannot follow 'topk' (a sparsifier); the order is mask"},
        BadCodec{"quantize(8)|topk(0.1)", "stage 'topk' (a sparsifier) cannot follow 'quantize'"},
        BadCodec{"none|none", "stage 'none' (a quantizer) cannot follow 'none' (a quantizer)"},
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
  constexpr absl::string_view kPieces[] = {"none", "quantize", "topk", "(8)", "(0.1)",
                                           "(",    ")",        "8",    "|",   ",",
                                           " ",    ".",        "-",    "x",   "\0"};
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

TEST(NeedsErrorFeedback, BiasedCodecsDo) {
  for (const absl::string_view codec :
       {"topk(0.01)", "topk(0.1)|ternary|rice", "threshold(0.1)", "randk(0.1)", "sign",
        "quantize(4)", "rotate|eden(2, mse)", "rotate|ecsq(2)|rans"}) {
    EXPECT_TRUE(ParseCodec(codec)->NeedsErrorFeedback()) << codec;
  }
  for (const absl::string_view codec :
       {"none", "mask|none", "float16", "quantize(8)", "quantize(2, stochastic)",
        "randk(0.1, unbiased)", "qsgd(4, 128)", "rotate|eden(1)",
        "rotate|ecsq(2, unbiased)|rans"}) {
    EXPECT_FALSE(ParseCodec(codec)->NeedsErrorFeedback()) << codec;
  }
}

TEST(ListStages, EveryStage_HasUsageAndDescriptionAndIsTested) {
  std::string all;
  for (const absl::string_view codec : kAllCodecs) absl::StrAppend(&all, codec, "|");
  for (const StageInfo& stage : ListStages()) {
    EXPECT_FALSE(stage.description.empty());
    const std::string name = stage.usage.substr(0, stage.usage.find_first_of("(["));
    EXPECT_THAT(all, ::testing::HasSubstr(name)) << "add the new stage to kAllCodecs";
  }
}

TEST(MakeEncoderDeathTest, SpecThatWasNotParsed_IsABugOfTheCaller) {
  EXPECT_DEATH(MakeEncoder({.stages = {{.name = "unknown"}}}), "check failed");
  EXPECT_DEATH(MakeDecoder({.stages = {{.name = "unknown"}}}), "check failed");
}

// What holds for every codec.
class EveryCodec : public ::testing::TestWithParam<absl::string_view> {};

// What a codec's own bound on the values is; huge ones are an error for some.
std::vector<float> OddUpdate(int64_t count, uint64_t seed) {
  std::vector<float> values = RandomUpdate(count, seed);
  RandomStream random({.seed = seed + 1});
  constexpr float kOdd[] = {0.0f, -0.0f, 1e-40f, -1e-45f, 1.17549435e-38f, 60000.0f, -3e-20f, 1.0f};
  for (float& value : values) {
    if (random.Below(4) == 0) value = kOdd[random.Below(std::size(kOdd))];
  }
  return values;
}

TEST_P(EveryCodec, Encode_IsDeterministicValidAndWithinTheBoundsThatItStates) {
  const auto encoder = EncoderOf(GetParam());
  for (const int64_t size : kSizes) {
    for (const auto& values : {RandomUpdate(size, 2), OddUpdate(size, 3),
                               std::vector<float>(static_cast<size_t>(size), 0.0f),
                               std::vector<float>(static_cast<size_t>(size), -0.25f)}) {
      const auto payload = Encode(GetParam(), values);
      ASSERT_THAT(payload, IsOk()) << size;
      EXPECT_EQ(*payload, *Encode(GetParam(), values));
      EXPECT_THAT(Validate(GetParam(), *payload, size), IsOk()) << size;
      const auto bytes = static_cast<int64_t>(payload->size());
      EXPECT_LE(bytes, encoder->MaxEncodedBytes(ContextOf(size))) << size;
      EXPECT_GE(bytes, encoder->MinEncodedBytes(ContextOf(size))) << size;
    }
  }
}

TEST_P(EveryCodec, Encode_AppendsAndTouchesNoMoreScratchThanItStates) {
  const auto encoder = EncoderOf(GetParam());
  const std::vector<float> values = RandomUpdate(5000, 1);
  std::string bytes = "before";
  ByteWriter writer(&bytes);
  const auto scratch_bytes = static_cast<size_t>(encoder->ScratchBytes(ContextOf(5000)));
  std::string scratch(scratch_bytes + 64, 'z');
  ASSERT_THAT(encoder->Encode(values, ContextOf(5000), {scratch.data(), scratch_bytes}, writer),
              IsOk());
  EXPECT_EQ(bytes, "before" + *Encode(GetParam(), values));
  EXPECT_EQ(scratch.substr(scratch_bytes), std::string(64, 'z'));
}

class CoverageSink final : public UpdateSink {
 public:
  explicit CoverageSink(int64_t count) : count_(count) {}
  void Add(int64_t offset, absl::Span<const float> values) override {
    EXPECT_EQ(offset, next);
    EXPECT_FALSE(values.empty());
    next += static_cast<int64_t>(values.size());
  }
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float>) override {
    for (const int32_t index : indices) {
      EXPECT_GT(index, last_);
      last_ = index;
    }
    next = count_;  // all others are 0
  }
  int64_t next = 0;

 private:
  int64_t count_;
  int32_t last_ = -1;
};

TEST_P(EveryCodec, DecodeInto_GivesAscendingBlocksThatCoverEveryCoordinate) {
  for (const int64_t size : kSizes) {
    CoverageSink sink(size);
    DecoderOf(GetParam())
        ->DecodeInto(*Encode(GetParam(), RandomUpdate(size, 3)), ContextOf(size), sink);
    if (IsSparse(GetParam()) && sink.next == 0) continue;  // nothing was kept
    EXPECT_EQ(sink.next, size);
  }
}

TEST_P(EveryCodec, DecodeBlock_InAnyOrder_GivesTheSame) {
  for (const int64_t size : {0, 1000, 65535, 65536, 65537, 200000}) {
    const std::string payload = *Encode(GetParam(), RandomUpdate(size, 8));
    const std::vector<float> expected = Decode(GetParam(), payload, size);
    const auto decoder = DecoderOf(GetParam());
    const SeekIndex index = decoder->MakeSeekIndex(payload, ContextOf(size));
    ASSERT_EQ(static_cast<int64_t>(index.size()), (size + kSeekBlock - 1) / kSeekBlock);
    std::vector<float> values(expected.size(), IsSparse(GetParam()) ? 0.0f : std::nanf(""));
    DenseSink sink(absl::MakeSpan(values));
    for (auto block = static_cast<int64_t>(index.size()) - 1; block >= 0; --block) {
      decoder->DecodeBlock(payload, ContextOf(size), index, block, sink);
    }
    EXPECT_EQ(values, expected);
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
                           absl::StrCat("coordinate ", index, " is ", shown, ", expected a ")));
    }
  }
}

TEST_P(EveryCodec, Validate_AnyOtherSize_IsRefused) {
  const std::string payload = *Encode(GetParam(), RandomUpdate(300, 6));
  for (size_t size = 0; size < payload.size(); ++size) {
    ASSERT_FALSE(Validate(GetParam(), absl::string_view(payload).substr(0, size), 300).ok())
        << size << " of " << payload.size();
  }
  EXPECT_FALSE(Validate(GetParam(), payload + "x", 300).ok());
  EXPECT_FALSE(Validate(GetParam(), payload + std::string(1, '\0'), 300).ok());
}

TEST_P(EveryCodec, MagnitudeAboveTheLimit_IsRefused) {
  const std::vector<float> values(300, 8.0f);
  const std::string payload = *Encode(GetParam(), values);
  EXPECT_THAT(Validate(GetParam(), payload, 300), IsOk());
  EXPECT_THAT(Validate(GetParam(), payload, 300, 1.0f),
              StatusIs(absl::StatusCode::kInvalidArgument, "at most"));
}

INSTANTIATE_TEST_SUITE_P(Codecs, EveryCodec, ::testing::ValuesIn(kAllCodecs),
                         [](const auto& param_info) { return TestName(param_info.param); });

}  // namespace
}  // namespace tern::compression
