#include "simulation/rate_distortion_svg.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "simulation/svg.h"

namespace tern::simulation {
namespace {

// Pixels.
constexpr double kWidth = 1000;
constexpr double kHeight = 700;
constexpr double kLeft = 74;
constexpr double kRight = kWidth - 24;
constexpr double kTop = 84;
constexpr double kBottom = kHeight - 72;
constexpr double kRadius = 4.5;
constexpr double kTextHeight = 13;
constexpr double kKeyTop = 66;

constexpr double kDecibelsPerBit = 6.0205999132796239;  // 20 log10(2)

constexpr char kStyle[] =
    "text{font:11px sans-serif;fill:#1f2933}"
    ".title{font-size:17px;font-weight:bold}"
    ".quiet{fill:#52606d}"
    ".name{paint-order:stroke;stroke:#fff;stroke-width:3px}"
    "circle{stroke:#fff;stroke-width:1}"
    "circle:hover{stroke:#1f2933}"
    ".dense{fill:#2f6fb0}.rotated{fill:#0f8a6d}.kept{fill:#c8601a}"
    ".grid{stroke:#e4e9ee}.zero{stroke:#b5c0ca}.axis{stroke:#7b8794}.leader{stroke:#9aa5b1}"
    ".bound{fill:none;stroke:#b42318;stroke-dasharray:6 4}.boundtext{fill:#b42318}"
    "text{pointer-events:none}";

struct Family {
  absl::string_view css_class;
  absl::string_view name;
};
constexpr Family kFamilies[] = {{"dense", "every parameter, as it is"},
                                {"rotated", "every parameter, rotated"},
                                {"kept", "a part of the parameters"}};

const Family& FamilyOf(absl::string_view codec) {
  const std::vector<absl::string_view> stages = absl::StrSplit(codec, '|');
  for (const absl::string_view stage : stages) {
    const absl::string_view name = stage.substr(0, stage.find('('));
    if (name == "rotate") return kFamilies[1];
    if (name == "topk" || name == "randk" || name == "threshold") return kFamilies[2];
  }
  return kFamilies[0];
}

struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

// The area that both cover.
double Overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0.0;
}

struct Point {
  double x = 0;
  double y = 0;
};

struct Mark {
  const CodecMeasurement* measurement = nullptr;
  Point at;
  Box label;
};

// Around a point, where a label may stand, the best first.
std::vector<Box> LabelPlaces(Point at, double width) {
  std::vector<Box> places;
  const auto add = [&](double left, double middle_y) {
    places.push_back({left, middle_y - kTextHeight / 2, left + width, middle_y + kTextHeight / 2});
  };
  const double beside = kRadius + 4;
  for (const double up : {0.0, 9.0, 17.0, 26.0, 36.0, 48.0, 62.0, 78.0, 96.0, 116.0}) {
    for (const double sign : {1.0, -1.0}) {
      const double y = at.y - sign * up;
      for (const double further : {0.0, 14.0, 34.0}) {
        add(at.x + beside + further, y);
        add(at.x - beside - further - width, y);
      }
      if (up >= 14) add(at.x - width / 2, y);
      if (up == 0.0) break;
    }
  }
  return places;
}

// The point of the box that is nearest to `point`.
Point Nearest(Point point, const Box& box) {
  return {std::clamp(point.x, box.left, box.right), std::clamp(point.y, box.top, box.bottom)};
}

double Distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }
double Distance(Point point, const Box& box) { return Distance(point, Nearest(point, box)); }

// Whether a line joins mark and label, because they are apart.
bool HasLeader(Point mark, const Box& label) { return Distance(mark, label) > kRadius + 8; }

// 2 to this power, as "1/8" or "4".
std::string RateText(double log2_rate) {
  if (log2_rate >= 0) return absl::StrFormat("%.0f", std::exp2(log2_rate));
  return absl::StrFormat("1/%.0f", std::exp2(-log2_rate));
}

double Decibels(double nmse) { return 10.0 * std::log10(nmse); }

class Plot {
 public:
  Plot(absl::Span<const CodecMeasurement> measurements, std::string& svg) : svg_(svg) {
    for (const CodecMeasurement& measurement : measurements) {
      if (std::isfinite(measurement.nmse) && measurement.nmse > 0.0) {
        marks_.push_back({.measurement = &measurement});
      }
    }
    ChooseRanges();
    for (Mark& mark : marks_) {
      mark.at = {X(std::log2(mark.measurement->bits_per_parameter())),
                 Y(Decibels(mark.measurement->nmse))};
    }
    for (double x = kLeft; x <= kRight; x += 4) {
      const double y = Y(-kDecibelsPerBit * std::exp2(Rate(x)));
      if (y <= kBottom) bound_.push_back({x, y});
    }
    PlaceLabels();
  }

  void Draw() {
    DrawRates();
    DrawErrors();
    DrawBound();
    for (const Mark& mark : marks_) DrawLeader(mark);
    for (const Mark& mark : marks_) DrawMark(mark);
    for (const Mark& mark : marks_) DrawLabel(mark);
    DrawKey();
  }

 private:
  void ChooseRanges() {
    double least_rate = 0.0, most_rate = 1.0, least_error = -10.0, most_error = 0.0;
    for (const Mark& mark : marks_) {
      const double rate = std::log2(mark.measurement->bits_per_parameter());
      const double error = Decibels(mark.measurement->nmse);
      least_rate = std::min(least_rate, rate);
      most_rate = std::max(most_rate, rate);
      least_error = std::min(least_error, error);
      most_error = std::max(most_error, error);
    }
    least_rate_ = std::floor(least_rate - 0.1);
    most_rate_ = std::ceil(most_rate + 0.1);
    least_error_ = 5.0 * std::floor(least_error / 5.0 - 0.4);
    most_error_ = 5.0 * std::ceil(most_error / 5.0 + 0.4);
  }

  double X(double log2_rate) const {
    return kLeft + (kRight - kLeft) * (log2_rate - least_rate_) / (most_rate_ - least_rate_);
  }
  double Rate(double x) const {
    return least_rate_ + (most_rate_ - least_rate_) * (x - kLeft) / (kRight - kLeft);
  }
  double Y(double decibels) const {
    return kTop + (kBottom - kTop) * (most_error_ - decibels) / (most_error_ - least_error_);
  }

  // What a label at `place` and the line to it would cover, weighed; anything above `enough` where
  // it is more than that.
  double Cost(const Mark& mark, const Box& place, double enough) const {
    if (place.left < kLeft + 2 || place.right > kRight || place.top < kTop + 2 ||
        place.bottom > kBottom - 2) {
      return 1e6;
    }
    double cost = Distance(mark.at, place);
    for (const Mark& other : marks_) {
      const Point at = other.at;
      cost += 8 * Overlap(place, {at.x - kRadius - 1, at.y - kRadius - 1, at.x + kRadius + 1,
                                  at.y + kRadius + 1});
      if (&other != &mark) cost += 4 * Overlap(place, other.label);
    }
    for (const Point& point : bound_) {
      if (Distance(point, place) < 1) cost += 6;
    }
    if (cost > enough || !HasLeader(mark.at, place)) return cost;
    return cost + LeaderCost(mark, place);
  }

  double LeaderCost(const Mark& mark, const Box& place) const {
    constexpr int kPoints = 12;
    const Point end = Nearest(mark.at, place);
    double cost = 20;
    for (int i = 1; i < kPoints; ++i) {
      const double share = static_cast<double>(i) / kPoints;
      const Point point = {mark.at.x + share * (end.x - mark.at.x),
                           mark.at.y + share * (end.y - mark.at.y)};
      for (const Mark& other : marks_) {
        if (&other == &mark) continue;
        if (Distance(point, other.at) < kRadius + 2) cost += 15;
        if (Distance(point, other.label) < 1) cost += 30;
        // Lines that cross come near one another.
        const Point other_end = Nearest(other.at, other.label);
        if (HasLeader(other.at, other.label) &&
            Distance(point, other.at) + Distance(point, other_end) <
                Distance(other.at, other_end) + 0.5) {
          cost += 40;
        }
      }
    }
    return cost;
  }

  // One after the other to the place that costs least, and again, now that all stand somewhere.
  void PlaceLabels() {
    constexpr int kSweeps = 8;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (Mark& mark : marks_) {
        double least = 1e9;
        Box best;
        for (const Box& place : LabelPlaces(mark.at, TextWidth(mark.measurement->codec))) {
          const double cost = Cost(mark, place, least);
          if (cost >= least) continue;
          least = cost;
          best = place;
        }
        mark.label = best;
      }
    }
  }

  void DrawRates() {
    const double every = std::ceil((most_rate_ - least_rate_) / 16);
    for (double rate = least_rate_; rate <= most_rate_; rate += every) {
      AppendSvgLine(X(rate), kTop, X(rate), kBottom + 5, "grid", svg_);
      AppendSvgText(X(rate), kBottom + 18, "text-anchor=\"middle\" class=\"quiet\"", RateText(rate),
                    svg_);
    }
    AppendSvgLine(kLeft, kBottom, kRight, kBottom, "axis", svg_);
    AppendSvgText((kLeft + kRight) / 2, kBottom + 38, "text-anchor=\"middle\"",
                  "R: bits per parameter, of the whole frame", svg_);
  }

  void DrawErrors() {
    const double range = most_error_ - least_error_;
    const double every = range <= 40 ? 5 : range <= 120 ? 10 : 50;
    for (double error = every * std::ceil(least_error_ / every); error <= most_error_;
         error += every) {
      AppendSvgLine(kLeft - 5, Y(error), kRight, Y(error), error == 0.0 ? "zero" : "grid", svg_);
      AppendSvgText(kLeft - 9, Y(error) + 4, "text-anchor=\"end\" class=\"quiet\"",
                    absl::StrFormat("%.0f dB", error), svg_);
    }
    AppendSvgLine(kLeft, kTop, kLeft, kBottom, "axis", svg_);
    const double middle = (kTop + kBottom) / 2;
    AppendSvgText(
        20, middle,
        absl::StrFormat("text-anchor=\"middle\" transform=\"rotate(-90 20 %.1f)\"", middle),
        "D: NMSE, 10 log10(squared error / squared norm)", svg_);
  }

  void DrawBound() {
    if (bound_.empty()) return;
    absl::StrAppend(&svg_, "<polyline class=\"bound\" points=\"",
                    absl::StrJoin(bound_, " ",
                                  [](std::string* out, const Point& point) {
                                    absl::StrAppendFormat(out, "%.1f,%.1f", point.x, point.y);
                                  }),
                    "\"/>\n");
  }

  // From a mark to its label where they do not touch.
  void DrawLeader(const Mark& mark) {
    if (!HasLeader(mark.at, mark.label)) return;
    const Point end = Nearest(mark.at, mark.label);
    AppendSvgLine(mark.at.x, mark.at.y, end.x, end.y, "leader", svg_);
  }

  void DrawMark(const Mark& mark) {
    const CodecMeasurement& of = *mark.measurement;
    absl::StrAppendFormat(
        &svg_,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"><title>%s: %.4g bits per "
        "parameter, NMSE %.3g, %.2f bits from the limit</title></circle>\n",
        mark.at.x, mark.at.y, kRadius, FamilyOf(of.codec).css_class, EscapedXml(of.codec),
        of.bits_per_parameter(), of.nmse, of.distance_bits().value_or(0.0));
  }

  // Flush with the side where its mark is: its width is not known to the pixel.
  void DrawLabel(const Mark& mark) {
    const double y = mark.label.bottom - 3;
    const std::string& codec = mark.measurement->codec;
    if (mark.label.right < mark.at.x) {
      AppendSvgText(mark.label.right, y, "class=\"name\" text-anchor=\"end\"", codec, svg_);
    } else if (mark.label.left > mark.at.x) {
      AppendSvgText(mark.label.left, y, "class=\"name\"", codec, svg_);
    } else {
      AppendSvgText((mark.label.left + mark.label.right) / 2, y,
                    "class=\"name\" text-anchor=\"middle\"", codec, svg_);
    }
  }

  void DrawKey() {
    double x = kLeft;
    for (const Family& family : kFamilies) {
      absl::StrAppendFormat(&svg_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>\n",
                            x + kRadius, kKeyTop, kRadius, family.css_class);
      AppendSvgText(x + 15, kKeyTop + 4, "", family.name, svg_);
      x += 15 + TextWidth(family.name) + 20;
    }
    absl::StrAppendFormat(&svg_, "<polyline class=\"bound\" points=\"%.1f,%.1f %.1f,%.1f\"/>\n", x,
                          kKeyTop, x + 28, kKeyTop);
    AppendSvgText(x + 34, kKeyTop + 4, "class=\"boundtext\"",
                  "D = 2^-2R: the limit of a Gaussian source", svg_);
  }

  std::string& svg_;
  std::vector<Mark> marks_;
  std::vector<Point> bound_;
  // Logarithms of base 2, and decibels.
  double least_rate_ = 0;
  double most_rate_ = 0;
  double least_error_ = 0;
  double most_error_ = 0;
};

}  // namespace

std::string RateDistortionSvg(const std::string& update,
                              absl::Span<const CodecMeasurement> measurements) {
  std::string svg;
  AppendSvgHead(kWidth, kHeight, kStyle, svg);
  AppendSvgText(24, 26, "class=\"title\"", "What codecs take and what they lose", svg);
  AppendSvgText(24, 46, "class=\"quiet\"", absl::StrCat("Update: ", update), svg);
  Plot(measurements, svg).Draw();
  std::vector<std::string> exact;
  for (const CodecMeasurement& measurement : measurements) {
    if (measurement.nmse > 0.0) continue;
    exact.push_back(
        absl::StrFormat("%s (%.4g bits)", measurement.codec, measurement.bits_per_parameter()));
  }
  if (!exact.empty()) {
    AppendSvgText(24, kHeight - 12, "class=\"quiet\"",
                  absl::StrCat("Without an error, not drawn: ", absl::StrJoin(exact, ", ")), svg);
  }
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace tern::simulation
