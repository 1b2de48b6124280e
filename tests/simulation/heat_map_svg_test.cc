#include "simulation/heat_map_svg.h"

#include <regex>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/svg.h"
#include "tests/simulation/svg_tools.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

HeatMap SmallMap() {
  return {.title = "What is left",
          .row_title = "attack",
          .column_title = "defence",
          .key_title = "accuracy",
          .rows = {"none", "a <b> & c"},
          .columns = {"mean", "krum(f=5)"},
          .cells = {{.value = 0.9, .text = "0.900", .detail = "0.002", .tooltip = "none x mean"},
                    {.value = 0.5, .text = "0.500"},
                    {.value = 0.1, .text = "0.100"},
                    {.text = "failed"}},
          .notes = {"one note", std::string(40, 'x') + " " + std::string(40, 'y')}};
}

TEST(HeatMapSvg, IsAWellFormedFile) { EXPECT_TRUE(IsWellFormed(HeatMapSvg(SmallMap()))); }

TEST(HeatMapSvg, SaysNumbersNamesAndNotes) {
  const std::string svg = HeatMapSvg(SmallMap());
  for (const char* text : {">0.900<", ">0.002<", ">failed<", ">krum<", ">f=5<", ">none x mean<",
                           ">a &lt;b&gt; &amp; c<", ">one note<", ">accuracy<"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
}

TEST(HeatMapSvg, ColoursGoFromTheLeastToTheLargest_GreyWithoutANumber) {
  const std::string svg = HeatMapSvg(SmallMap());
  EXPECT_THAT(svg, HasSubstr("class=\"cell\" fill=\"#fde725\""));  // 0.9
  EXPECT_THAT(svg, HasSubstr("class=\"cell\" fill=\"#21918c\""));  // 0.5
  EXPECT_THAT(svg, HasSubstr("class=\"cell\" fill=\"#440154\""));  // 0.1
  EXPECT_THAT(svg, HasSubstr("class=\"cell\" fill=\"#dee2e6\""));
}

TEST(HeatMapSvg, TextIsWhiteOnDarkCellsOnly) {
  const std::string svg = HeatMapSvg(SmallMap());
  EXPECT_THAT(svg, HasSubstr("class=\"value light\">0.100<"));
  EXPECT_THAT(svg, HasSubstr("class=\"value\">0.900<"));
}

TEST(HeatMapSvg, LongNotesAndNames_StayInThePicture) {
  HeatMap map = SmallMap();
  map.columns[1] = std::string(60, 'k') + "(f=5)";
  map.rows[1] = std::string(50, 'r');
  map.notes = {"word"};
  for (int i = 0; i < 200; ++i) absl::StrAppend(&map.notes[0], " word", i);
  const std::string svg = HeatMapSvg(map);
  EXPECT_TRUE(IsWellFormed(svg));
  std::smatch size;
  ASSERT_TRUE(std::regex_search(svg, size, std::regex("width=\"([0-9]+)\"")));
  const double width = std::stod(size[1]);
  // Those that begin at x.
  const std::regex text("<text x=\"([0-9.]+)\" y=\"[0-9.]+\" class=\"quiet\">([^<]*)<");
  int num_lines = 0;
  for (std::sregex_iterator i(svg.begin(), svg.end(), text), end; i != end; ++i) {
    EXPECT_LE(std::stod((*i)[1]) + TextWidth(std::string((*i)[2])), width) << (*i)[2];
    ++num_lines;
  }
  EXPECT_GT(num_lines, 5);
}

TEST(HeatMapSvg, WithoutAnyNumber_IsStillAPicture) {
  HeatMap map = SmallMap();
  for (HeatMap::Cell& cell : map.cells) cell.value.reset();
  const std::string svg = HeatMapSvg(map);
  EXPECT_TRUE(IsWellFormed(svg));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace tern::simulation
