#include "simulation/memory_drawing.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/model/zoo.h"
#include "core/wire/device_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/simulation/small_task.h"

namespace tern::simulation {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

MemoryReport ReportOf(const ModelSpec& model, int64_t batch_size) {
  return *DescribeDeviceMemory({.model = model, .train = {.batch_size = batch_size}}, 7);
}

// A chain of so many dense layers.
ModelSpec Deep(int num_layers) {
  ModelSpec model = {.name = "deep", .input = {8}};
  for (int i = 0; i < num_layers; ++i) {
    model.layers.push_back(
        {.name = absl::StrCat("fc", i), .kind = LayerKind::kDense, .units = 8 + i % 5});
  }
  return model;
}

TEST(MemoryText, OfASmallModel_IsGolden) {
  EXPECT_EQ(MemoryText({.plan = "width 1, batch 5, codec none",
                        .classes = "laptop, wifi",
                        .report = ReportOf(SmallMlp(), 5)}),
            R"text(Memory of the plan with width 1, batch 5, codec none, for laptop, wifi:

  parameters                                848 B
  inputs of a batch                         160 B
  labels                                     20 B
  order of the examples                      28 B
  model as sent, then the update            975 B
  arena                                   1,472 B
  peak                                    3,503 B
  lower bound of the arena                1,472 B  alive at step 2 fc2 forward; the arena is 1.000 times that

    #  tensor                           bytes        offset  from step       to step
    1  fc1 output                         320         1,024  1 fc1 forward   5 relu1 backward
    2  fc1 workspace (forward)            896             0  1 fc1 forward   1 fc1 forward
    3  fc2 output                          80         1,344  2 fc2 forward   4 fc2 backward
    4  fc2 workspace (forward)          1,024             0  2 fc2 forward   2 fc2 forward
    5  fc2 workspace (backward)           240           320  4 fc2 backward  4 fc2 backward
    6  gradient of fc1 output             320             0  4 fc2 backward  6 fc1 backward
    7  fc1 workspace (backward)           240           320  6 fc1 backward  6 fc1 backward

1,472 |
1,344 |                [3 fc2 output..................................]
      |[1 fc1 output..................................................................]
      |[..............................................................................]
1,024 |[..............................................................................]
  896 |                [4~~~~~~~~~~~~~]
      |[2~~~~~~~~~~~~~][~~~~~~~~~~~~~~]
      |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]
  576 |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]
      |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [5~~~~~~~~~~~~~]                [7~~~~~~~~~~~~~]
      |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [~~~~~~~~~~~~~~]                [~~~~~~~~~~~~~~]
  320 |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [~~~~~~~~~~~~~~]                [~~~~~~~~~~~~~~]
      |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [6 gradient of fc1 output======================]
      |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [==============================================]
    0 |[~~~~~~~~~~~~~~][~~~~~~~~~~~~~~]                [==============================================]
      +------------------------------------------------------------------------------------------------
       1               2               3               4               5               6
Steps: 1 fc1 forward, 2 fc2 forward, 3 loss, 4 fc2 backward, 5 relu1 backward, 6 fc1 backward
Key: . output  : saved by a forward pass  ~ workspace  = gradient of an output  # shared gradient
)text");
}

TEST(DrawArena, FitsInto120Columns_WithEveryNumber) {
  for (const std::string& name : ZooModelNames()) {
    const MemoryReport report = ReportOf(*ZooModel(name), 10);
    const std::string drawing = DrawArena(report);
    for (const absl::string_view line : absl::StrSplit(drawing, '\n')) {
      EXPECT_LE(line.size(), 120u) << line;
      EXPECT_THAT(std::string(line), Not(EndsWith(" ")));
    }
    for (size_t i = 0; i < report.tensors.size(); ++i) {
      EXPECT_THAT(drawing, HasSubstr(absl::StrCat("[", i + 1))) << name;
    }
    EXPECT_THAT(drawing, Not(HasSubstr("not drawn")));
  }
}

TEST(DrawArena, OfManyTensors_LeavesTheSmallestOutAndSaysSo) {
  for (const int num_layers : {60, 400}) {
    const std::string drawing = DrawArena(ReportOf(Deep(num_layers), 10));
    EXPECT_THAT(drawing, HasSubstr(" smallest tensors are not drawn."));
    const std::vector<std::string> lines = absl::StrSplit(drawing, '\n');
    EXPECT_LT(lines.size(), 100u + static_cast<size_t>(num_layers));
    for (const std::string& line : lines) EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST(MemoryText, LongNames_AreCutShort) {
  ModelSpec model = SmallMlp();
  for (LayerSpec& layer : model.layers) layer.name.insert(0, 300, 'x');
  const std::string text = MemoryText({.plan = "p", .classes = "c", .report = ReportOf(model, 5)});
  std::set<std::string> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 120u) << line;
    const std::vector<std::string> columns =
        absl::StrSplit(line, absl::ByString("  "), absl::SkipWhitespace());
    if (columns.size() == 6 && absl::StrContains(columns[1], "..")) names.insert(columns[1]);
  }
  EXPECT_THAT(names, SizeIs(7)) << text;
  EXPECT_THAT(text, HasSubstr("  xxxxxxxxxxx..xxxxxxxxxxxxfc1 output "));
  EXPECT_THAT(text, HasSubstr("..2 workspace (backward) "));
  EXPECT_THAT(text, HasSubstr("  4 xxxxx..xxfc2 backward"));
}

TEST(MemoryText, CyrillicNames_AreAligned) {
  ModelSpec model = SmallMlp();
  model.layers[0].name = "слой";
  model.layers[2].name = "выход";
  const std::string text = MemoryText({.plan = "p", .classes = "c", .report = ReportOf(model, 5)});
  EXPECT_THAT(text, HasSubstr("    1  слой output                          320         1,024  "
                              "1 слой forward    5 relu1 backward\n"));
  EXPECT_THAT(text, HasSubstr("    3  выход output                          80         1,344  "
                              "2 выход forward   4 выход backward\n"));
  // In the picture, whose cells are bytes, they have their numbers.
  EXPECT_THAT(text, HasSubstr("[3...."));
}

TEST(ShortName, LeavesOutTheMiddle) {
  EXPECT_EQ(ShortName("0123456789", 10), "0123456789");
  EXPECT_EQ(ShortName("0123456789a", 10), "012..6789a");
  EXPECT_EQ(ShortName("", 10), "");
  EXPECT_EQ(ShortName("abcd", 3), "a..");
}

TEST(ShortName, CutsBetweenCharacters) {
  EXPECT_EQ(ShortName("свёрточный", 10), "свёрточный");
  EXPECT_EQ(ShortName("свёрточный1", 10), "свё..чный1");
  EXPECT_EQ(ShortName("層€😀層€😀層€", 6), "層€..層€");
}

TEST(Characters, OfWhatIsNoText_AreSpacesAndQuestionMarks) {
  const auto clean = [](absl::string_view text) { return absl::StrJoin(Characters(text), ""); };
  EXPECT_EQ(clean("a\n\x01\x7f"
                  "b"),
            "a   b");
  EXPECT_EQ(clean("\x80"
                  "a\xBF"),
            "?a?");               // continues nothing
  EXPECT_EQ(clean("\xD0"), "?");  // cut
  EXPECT_EQ(clean("\xE2\x82"
                  "a"),
            "??a");                                   // cut
  EXPECT_EQ(clean("\xC0\xAF\xE0\x80\xAF"), "?????");  // longer than needed
  EXPECT_EQ(clean("\xF0\x80\x80\xAF"), "????");       // longer than needed
  EXPECT_EQ(clean("\xED\xA0\x80"), "???");            // surrogate
  EXPECT_EQ(clean("\xF4\x90\x80\x80\xFF"), "?????");  // beyond the last
  EXPECT_EQ(clean("\xEF\xBF\xBF"), "???");            // U+FFFF, not in XML
  EXPECT_EQ(clean("\xF4\x8F\xBF\xBD é"), "\xF4\x8F\xBF\xBD é");
}

}  // namespace
}  // namespace tern::simulation
