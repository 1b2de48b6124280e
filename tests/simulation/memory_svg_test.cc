#include "simulation/memory_svg.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/zoo.h"
#include "core/wire/device_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/memory_drawing.h"
#include "tests/simulation/svg_tools.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PlanMemory MemoryOf(const ModelSpec& model, MemoryMode memory = MemoryMode::kFast) {
  return {.plan = "width 1",
          .classes = "laptop",
          .report = *DescribeDeviceMemory({.model = model, .train = {.memory = memory}}, 7)};
}

TEST(MemorySvg, IsWellFormed_AndNamesEveryTensorAndEveryStep) {
  for (const std::string& name : ZooModelNames()) {
    for (const MemoryMode mode : {MemoryMode::kFast, MemoryMode::kSmall}) {
      const PlanMemory memory = MemoryOf(*ZooModel(name), mode);
      const std::string svg = MemorySvg({memory});
      EXPECT_TRUE(IsWellFormed(svg)) << name;
      for (const ArenaTensor& tensor : memory.report.tensors) {
        EXPECT_THAT(svg, HasSubstr(absl::StrCat(" ", tensor.name, ": ", BytesText(tensor.bytes),
                                                " from address ", BytesText(tensor.offset_bytes))));
      }
      for (const std::string& step : memory.report.steps) {
        EXPECT_THAT(svg, HasSubstr(absl::StrCat(" ", step, "</text>")));
      }
      for (const MemoryItem& item : memory.report.held) {
        EXPECT_THAT(svg, HasSubstr(absl::StrCat(item.name, ", ", BytesText(item.bytes))));
      }
      EXPECT_THAT(svg, HasSubstr(BytesText(memory.report.peak_bytes())));
      EXPECT_THAT(svg, HasSubstr(BytesText(memory.report.lower_bound_bytes)));
    }
  }
}

TEST(MemorySvg, LoadsNothing) {
  const std::string svg = MemorySvg({MemoryOf(*ZooModel("lenet5"))});
  EXPECT_THAT(svg, Not(HasSubstr("href")));
  EXPECT_THAT(svg, Not(HasSubstr("url(")));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
}

TEST(MemorySvg, PlansStandBelowEachOther) {
  const PlanMemory memory = MemoryOf(*ZooModel("tiny_cnn"));
  const std::string svg = MemorySvg({memory, memory});
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, HasSubstr("translate(0 0)"));
  EXPECT_THAT(svg, HasSubstr("translate(0 738)"));
  EXPECT_THAT(svg, HasSubstr("height=\"1500\""));
}

TEST(MemorySvg, NamesOfLayers_MayHoldAnything) {
  ModelSpec model = *ZooModel("tiny_cnn");
  model.layers[0].name = "<b>&\"\x01";
  const std::string svg = MemorySvg({MemoryOf(model)});
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;&amp;&quot; "));
  // Cut, continuing nothing, longer than needed, a surrogate.
  model.layers[0].name = "a\xD0 b\x80 c\xC0\xAF d\xED\xA0\x80";
  const std::string stray = MemorySvg({MemoryOf(model)});
  EXPECT_TRUE(IsWellFormed(stray));
  EXPECT_THAT(stray, HasSubstr(" a? b? c?? d??? output: "));
}

TEST(MemorySvg, LongNames_AreCutBetweenCharacters_AndKeepTheirEnds) {
  ModelSpec model = *ZooModel("tiny_cnn");
  for (const absl::string_view shift : {"", "x"}) {  // to even and to odd places
    model.layers[0].name = absl::StrCat(shift, "первый_свёрточный_слой_без_смещения");
    const std::string svg = MemorySvg({MemoryOf(model)});
    EXPECT_TRUE(IsWellFormed(svg));
    EXPECT_THAT(svg, Not(HasSubstr("?")));
    EXPECT_THAT(svg, HasSubstr("..ещения forward</text>"));
    EXPECT_THAT(svg, HasSubstr(absl::StrCat(" ", model.layers[0].name, " output: ")));
  }
}

TEST(MemorySvg, OfManySteps_NamesAsManyAsThereIsRoomFor) {
  ModelSpec model = {.name = "deep", .input = {8}};
  for (int i = 0; i < 200; ++i) {
    model.layers.push_back({.name = absl::StrCat("fc", i), .kind = LayerKind::kDense, .units = 8});
  }
  const std::string svg = MemorySvg({MemoryOf(model)});
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, HasSubstr("1 fc0 forward</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("2 fc1 forward</text>")));
}

}  // namespace
}  // namespace tern::simulation
