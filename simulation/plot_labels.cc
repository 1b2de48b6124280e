#include "simulation/plot_labels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "core/base/random.h"

namespace tern::simulation {
namespace {

constexpr double kGap = 4;  // between a mark and the label beside it
constexpr double kFar = 8;  // a label that is further away has a leader

double Distance(Point a, Point b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
}

// The point of the box that is nearest to `point`.
Point Nearest(Point point, const Box& box) {
  return {std::clamp(point.x, box.left, box.right), std::clamp(point.y, box.top, box.bottom)};
}

double Distance(Point point, const Box& box) { return Distance(point, Nearest(point, box)); }

// The area that both cover.
double Overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0.0;
}

Box Around(Point mark) {
  const double half = kMarkRadius + 1;
  return {mark.x - half, mark.y - half, mark.x + half, mark.y + half};
}

// Beside, above and below the mark, the nearest first.
std::vector<Box> Places(Point mark, double width) {
  std::vector<Box> places;
  const auto add = [&](double left, double middle) {
    places.push_back({left, middle - kLabelHeight / 2, left + width, middle + kLabelHeight / 2});
  };
  const double beside = kMarkRadius + kGap;
  for (const double up : {0.0, 9.0, 17.0, 26.0, 36.0, 48.0, 62.0, 78.0, 96.0, 116.0}) {
    for (const double sign : {1.0, -1.0}) {
      const double y = mark.y - sign * up;
      for (const double further : {0.0, 14.0, 34.0}) {
        add(mark.x + beside + further, y);
        add(mark.x - beside - further - width, y);
      }
      if (up > kLabelHeight) add(mark.x - width / 2, y);
      if (up == 0.0) break;
    }
  }
  return places;
}

// Costs are in pixels of distance: what a label may be moved to avoid something.
class Layout {
 public:
  Layout(const Box& area, absl::Span<const Point> curve, absl::Span<const PlotLabel> labels)
      : area_(area), curve_(curve), labels_(labels.begin(), labels.end()) {}

  // Each in turn goes where it costs least, and again, now that all stand somewhere.
  void Settle(absl::Span<const size_t> order) {
    constexpr int kMostSweeps = 6;
    bool moved = true;
    for (int sweep = 0; sweep < kMostSweeps && moved; ++sweep) {
      moved = false;
      for (const size_t index : order) {
        PlotLabel& label = labels_[index];
        double least = 1e9;
        const PlotLabel before = label;
        PlotLabel best = label;
        for (const Box& place : Places(label.mark, label.width)) {
          label.place = place;
          const double cost = Cost(label, least);
          if (cost >= least) continue;
          least = cost;
          best = label;
        }
        moved |= best.place != before.place;
        label = best;
      }
    }
  }

  double TotalCost() const {
    double total = 0.0;
    for (const PlotLabel& label : labels_) total += Cost(label, 1e9);
    return total;
  }

  const std::vector<PlotLabel>& labels() const { return labels_; }

 private:
  // Anything above `enough` where it is more than that.
  double Cost(const PlotLabel& label, double enough) const {
    const Box& place = label.place;
    if (place.left < area_.left || place.right > area_.right || place.top < area_.top ||
        place.bottom > area_.bottom) {
      return 1e6;
    }
    double cost = Distance(label.mark, place);
    for (const PlotLabel& other : labels_) {
      cost += 8 * Overlap(place, Around(other.mark));
      if (&other != &label) cost += 4 * Overlap(place, other.place);
      if (&other != &label && HasLeader(other)) cost += 20 * PointsOn(other, place);
    }
    for (const Point& point : curve_) {
      if (Distance(point, place) < 1) cost += 6;
    }
    if (cost > enough || !HasLeader(label)) return cost;
    return cost + LeaderCost(label);
  }

  // Of some points of the label's leader, how many the box covers.
  static double PointsOn(const PlotLabel& label, const Box& box) {
    double points = 0;
    ForLeader(label, [&](Point point) { points += Distance(point, box) < 1 ? 1 : 0; });
    return points;
  }

  double LeaderCost(const PlotLabel& label) const {
    double cost = 20;
    for (const PlotLabel& other : labels_) {
      if (&other == &label) continue;
      const Point other_end = LeaderEnd(other);
      const double other_length = HasLeader(other) ? Distance(other.mark, other_end) : -1.0;
      ForLeader(label, [&](Point point) {
        if (Distance(point, other.mark) < kMarkRadius + 2) cost += 15;
        if (Distance(point, other.place) < 1) cost += 20;
        // Lines that cross come near one another.
        const double detour = Distance(point, other.mark) + Distance(point, other_end);
        if (detour < other_length + 0.5) cost += 40;
      });
    }
    return cost;
  }

  template <typename Visit>
  static void ForLeader(const PlotLabel& label, Visit&& visit) {
    constexpr int kPoints = 12;
    const Point end = LeaderEnd(label);
    for (int i = 1; i < kPoints; ++i) {
      const double share = static_cast<double>(i) / kPoints;
      visit(Point{label.mark.x + share * (end.x - label.mark.x),
                  label.mark.y + share * (end.y - label.mark.y)});
    }
  }

  const Box area_;
  const absl::Span<const Point> curve_;
  std::vector<PlotLabel> labels_;
};

}  // namespace

Point LeaderEnd(const PlotLabel& label) { return Nearest(label.mark, label.place); }

bool HasLeader(const PlotLabel& label) {
  return Distance(label.mark, label.place) > kMarkRadius + kFar;
}

void PlaceLabels(const Box& area, absl::Span<const Point> curve, absl::Span<PlotLabel> labels) {
  constexpr int kStarts = 8;
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  RandomStream random({});
  double least = 1e18;
  std::vector<PlotLabel> best;
  for (int start = 0; start < kStarts; ++start) {
    Layout layout(area, curve, labels);
    layout.Settle(order);
    const double cost = layout.TotalCost();
    if (cost < least) {
      least = cost;
      best = layout.labels();
    }
    random.Shuffle(absl::MakeSpan(order));
  }
  std::copy(best.begin(), best.end(), labels.begin());
}

}  // namespace tern::simulation
