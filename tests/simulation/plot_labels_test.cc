#include "simulation/plot_labels.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::simulation {
namespace {

constexpr Box kArea = {0, 0, 600, 400};

bool Overlap(const Box& a, const Box& b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

bool Holds(const Box& box, Point point) {
  return box.left < point.x && point.x < box.right && box.top < point.y && point.y < box.bottom;
}

TEST(PlaceLabels, ALabelAlone_StandsToTheRightOfItsMark) {
  std::vector<PlotLabel> labels = {{.mark = {100, 200}, .width = 50}};
  PlaceLabels(kArea, {}, absl::MakeSpan(labels));
  EXPECT_DOUBLE_EQ(labels[0].place.left, 100 + kMarkRadius + 4);
  EXPECT_DOUBLE_EQ(labels[0].place.right - labels[0].place.left, 50);
  EXPECT_DOUBLE_EQ((labels[0].place.top + labels[0].place.bottom) / 2, 200);
  EXPECT_FALSE(HasLeader(labels[0]));
}

TEST(PlaceLabels, AtTheRightEdge_ItStandsToTheLeft) {
  std::vector<PlotLabel> labels = {{.mark = {590, 200}, .width = 50}};
  PlaceLabels(kArea, {}, absl::MakeSpan(labels));
  EXPECT_LT(labels[0].place.right, 590);
}

TEST(PlaceLabels, OfACrowd_CoverNeitherEachOtherNorMarks) {
  std::vector<PlotLabel> labels;
  for (int i = 0; i < 12; ++i) {
    labels.push_back({.mark = {300.0 + 7 * (i % 4), 200.0 + 9 * (i / 4)}, .width = 100});
  }
  PlaceLabels(kArea, {}, absl::MakeSpan(labels));
  for (const PlotLabel& label : labels) {
    for (const PlotLabel& other : labels) {
      EXPECT_FALSE(Holds(label.place, other.mark));
      EXPECT_FALSE(&label != &other && Overlap(label.place, other.place));
    }
    if (HasLeader(label)) {
      const Point end = LeaderEnd(label);
      EXPECT_GE(end.x, label.place.left);
      EXPECT_LE(end.y, label.place.bottom);
    }
  }
}

TEST(PlaceLabels, ACurve_IsLeftFreeWhereThereIsRoom) {
  std::vector<PlotLabel> labels = {{.mark = {100, 200}, .width = 50}};
  std::vector<Point> curve;
  for (int x = 100; x < 200; x += 2) curve.push_back({static_cast<double>(x), 200});
  PlaceLabels(kArea, curve, absl::MakeSpan(labels));
  for (const Point& point : curve) EXPECT_FALSE(Holds(labels[0].place, point));
}

TEST(PlaceLabels, WithoutRoom_StillGivesEachAPlace) {
  std::vector<PlotLabel> labels(3, {.mark = {10, 10}, .width = 1000});
  PlaceLabels(kArea, {}, absl::MakeSpan(labels));
  for (const PlotLabel& label : labels) {
    EXPECT_DOUBLE_EQ(label.place.right - label.place.left, 1000);
  }
  PlaceLabels(kArea, {}, {});
}

}  // namespace
}  // namespace tern::simulation
