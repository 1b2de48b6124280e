#include "aggregation/robust/update_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compression/dense_sinks.h"
#include "tests/aggregation/robust/robust_tools.h"

namespace tern::aggregation {
namespace {

using ::testing::Each;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Kept updates, and what is kept of them.
class UpdateBlocksTest : public ::testing::Test {
 protected:
  void Add(const UpdateSpec& spec) {
    updates_.push_back(std::make_unique<TestUpdate>(spec));
    const TestUpdate& update = *updates_.back();
    specs_.push_back(std::make_unique<UpdateSpec>(spec));
    kept_.push_back({.id = spec.id,
                     .decoder = &update.decoder(),
                     .payload = update.payload(),
                     .codec = specs_.back()->codec,
                     .context = update.context(),
                     .coordinates = spec.coordinates});
  }

  // What UpdateBlocks is to give of update `i`: all of it decoded at once.
  std::vector<float> Decoded(size_t i, int64_t count) const {
    const TestUpdate& update = *updates_[i];
    std::vector<float> packed(static_cast<size_t>(update.context().count));
    compression::DenseSink sink(absl::MakeSpan(packed));
    update.decoder().DecodeInto(update.payload(), update.context(), sink);
    if (specs_[i]->coordinates == nullptr) return packed;
    std::vector<float> full(static_cast<size_t>(count), kInfinity);
    size_t next = 0;
    for (const CoordinateRun& run : specs_[i]->coordinates->runs) {
      for (int64_t c = run.begin; c < run.begin + run.size; ++c) {
        full[static_cast<size_t>(c)] = packed[next++];
      }
    }
    return full;
  }

  // Reads all strips, twice.
  void ExpectAsDecodedAtOnce(int64_t count) {
    UpdateBlocks blocks(kept_, count);
    std::vector<std::vector<float>> expected;
    for (size_t i = 0; i < kept_.size(); ++i) expected.push_back(Decoded(i, count));
    for (int pass = 0; pass < 2; ++pass) {
      int64_t next = 0;
      while (blocks.Next()) {
        const UpdateStrip& strip = blocks.strip();
        ASSERT_EQ(strip.begin, next);
        next += strip.size;
        ExpectStrip(strip, expected);
      }
      ASSERT_EQ(next, count);
    }
  }

  static void ExpectStrip(const UpdateStrip& strip,
                          const std::vector<std::vector<float>>& expected) {
    ASSERT_EQ(strip.stride % kStripUnit, 0);
    for (int64_t c = 0; c < strip.size; ++c) {
      int32_t holders = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        const float value = strip.row(i)[c];
        ASSERT_EQ(value, expected[i][static_cast<size_t>(strip.begin + c)])
            << "update " << i << ", coordinate " << strip.begin + c;
        ASSERT_FALSE(value == 0.0f && std::signbit(value));
        if (value < kInfinity) ++holders;
      }
      ASSERT_EQ(strip.holders[static_cast<size_t>(c)], holders) << strip.begin + c;
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_THAT(absl::MakeConstSpan(strip.row(i) + strip.size, strip.row(i) + strip.stride),
                  Each(0.0f));
    }
  }

  std::vector<std::unique_ptr<TestUpdate>> updates_;
  std::vector<std::unique_ptr<UpdateSpec>> specs_;
  std::vector<KeptUpdate> kept_;
};

TEST_F(UpdateBlocksTest, AnyCodecAndCount_ReadsWhatDecodingAtOnceGives) {
  RandomStream random({.seed = 71});
  for (const int64_t count : {1, 63, 64, 65, 4096, 4097, 20000}) {
    updates_.clear();
    specs_.clear();
    kept_.clear();
    for (const char* codec :
         {"none", "quantize(8)", "topk(0.1)|ternary|rice", "threshold(0.9)|bitpack", "randk(0.1)",
          "rotate|eden(2)|rans", "quantize(2)|rans", "quantize(4)|zstd"}) {
      std::vector<float> values = RandomValues(random, count);
      values[0] = -0.0f;
      Add({.values = values, .id = kept_.size(), .codec = codec});
    }
    ExpectAsDecodedAtOnce(count);
  }
}

TEST_F(UpdateBlocksTest, MasksAndSubmodels_ReadWhatDecodingAtOnceGives) {
  RandomStream random({.seed = 72});
  for (const int64_t count : {100, 30000}) {
    updates_.clear();
    specs_.clear();
    kept_.clear();
    for (uint32_t i = 0; i < 40; ++i) {
      const SharedSet held = i % 3 == 0 ? nullptr : RandomSet(random, count, 1 + 10 * (i % 7));
      const int64_t size = held == nullptr ? count : held->size;
      const SharedSet mask = i % 2 == 0 ? nullptr : RandomSet(random, size, i % 5 == 0 ? 5000 : 3);
      // A mask means nothing to a codec without the stage.
      const char* const codecs[] = {"mask|none", "mask|topk(0.2)|ternary|rice", "quantize(8)",
                                    "mask|rotate|eden(2)|rans"};
      Add({.values = RandomValues(random, size),
           .id = i,
           .codec = codecs[random.Below(4)],
           .coordinates = held,
           .mask = mask});
    }
    ExpectAsDecodedAtOnce(count);
  }
}

TEST_F(UpdateBlocksTest, EmptySets_HoldAndSendNothing) {
  const SharedSet nothing = MakeSet({}, 70);
  Add({.values = std::vector<float>(70, 1.0f), .codec = "mask|none", .mask = nothing});
  Add({.values = {}, .codec = "none", .coordinates = nothing});
  ExpectAsDecodedAtOnce(70);
}

// So many that strips are narrower than the blocks that can be decoded, and that points to decode
// from are made more than once.
TEST_F(UpdateBlocksTest, ManyUpdates_ReadTheSameInNarrowStrips) {
  constexpr int64_t kCount = 2 * 4096 + 5;
  RandomStream random({.seed = 73});
  for (uint64_t i = 0; i < 450; ++i) {
    Add({.values = RandomValues(random, kCount),
         .id = i,
         .codec = i % 2 == 0 ? "quantize(2)|rans" : "topk(0.02)|ternary|rice"});
  }
  EXPECT_EQ(UpdateBlocks(kept_, kCount).width(), 2 * kStripUnit);
  ExpectAsDecodedAtOnce(kCount);
}

}  // namespace
}  // namespace tern::aggregation
