#include "simulation/rate_distortion_svg.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "simulation/plot_labels.h"
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

struct Mark {
  const CodecMeasurement* measurement = nullptr;
  Point at;
};

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
  }

  void Draw() {
    DrawRates();
    DrawErrors();
    DrawBound();
    DrawMarks();
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

  void DrawMark(const Mark& mark) {
    const CodecMeasurement& of = *mark.measurement;
    absl::StrAppendFormat(
        &svg_,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"><title>%s: %.4g bits per "
        "parameter, NMSE %.3g, %.2f bits from the limit</title></circle>\n",
        mark.at.x, mark.at.y, kMarkRadius, FamilyOf(of.codec).css_class, EscapedXml(of.codec),
        of.bits_per_parameter(), of.nmse, of.distance_bits().value_or(0.0));
  }

  void DrawLeader(const PlotLabel& label) {
    if (!HasLeader(label)) return;
    const Point end = LeaderEnd(label);
    AppendSvgLine(label.mark.x, label.mark.y, end.x, end.y, "leader", svg_);
  }

  // Flush with the side where its mark is: its width is not known to the pixel.
  void DrawLabel(const PlotLabel& label, absl::string_view name) {
    const Box& place = label.place;
    const double y = place.bottom - 3;
    if (place.right < label.mark.x) {
      AppendSvgText(place.right, y, "class=\"name\" text-anchor=\"end\"", name, svg_);
    } else if (place.left > label.mark.x) {
      AppendSvgText(place.left, y, "class=\"name\"", name, svg_);
    } else {
      AppendSvgText((place.left + place.right) / 2, y, "class=\"name\" text-anchor=\"middle\"",
                    name, svg_);
    }
  }

  void DrawMarks() {
    std::vector<PlotLabel> labels;
    for (const Mark& mark : marks_) {
      labels.push_back({.mark = mark.at, .width = TextWidth(mark.measurement->codec)});
    }
    PlaceLabels({kLeft + 2, kTop + 2, kRight, kBottom - 2}, bound_, absl::MakeSpan(labels));
    for (const PlotLabel& label : labels) DrawLeader(label);
    for (const Mark& mark : marks_) DrawMark(mark);
    for (size_t i = 0; i < marks_.size(); ++i) DrawLabel(labels[i], marks_[i].measurement->codec);
  }

  void DrawKey() {
    double x = kLeft;
    for (const Family& family : kFamilies) {
      absl::StrAppendFormat(&svg_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>\n",
                            x + kMarkRadius, kKeyTop, kMarkRadius, family.css_class);
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
