#include "simulation/heat_map_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "simulation/svg.h"

namespace tern::simulation {
namespace {

// Pixels.
constexpr double kMargin = 24;
constexpr double kRowHeight = 46;
constexpr double kMinColumnWidth = 78;
constexpr double kLabelGap = 12;
constexpr double kHeadHeight = 108;  // title and names of columns
constexpr double kKeyGap = 26;       // between the cells and the key of colours
constexpr double kKeyWidth = 16;
constexpr double kKeyTotal = 74;  // the key with its numbers
constexpr double kNoteHeight = 18;

constexpr char kStyle[] =
    "text{font:11px sans-serif;fill:#1f2933}"
    ".title{font-size:17px;font-weight:bold}"
    ".quiet{fill:#52606d}"
    ".value{font-size:14px}"
    ".light{fill:#fff}"
    ".cell{stroke:#fff;stroke-width:2}"
    ".cell:hover{stroke:#1f2933}"
    "text{pointer-events:none}";

using Color = std::array<double, 3>;  // red, green, blue, 0 to 255

// Viridis at 0, 1/8, ..., 1.
constexpr Color kViridis[] = {{68, 1, 84},    {71, 45, 123},  {59, 82, 139},
                              {44, 114, 142}, {33, 145, 140}, {40, 174, 128},
                              {94, 201, 98},  {173, 220, 48}, {253, 231, 37}};
constexpr Color kNoValue = {222, 226, 230};

// `share` in [0, 1].
Color ColorAt(double share) {
  constexpr size_t kLast = std::size(kViridis) - 1;
  const double place = share * static_cast<double>(kLast);
  const size_t below = std::min(static_cast<size_t>(place), kLast - 1);
  const double part = place - static_cast<double>(below);
  Color color;
  for (size_t i = 0; i < color.size(); ++i) {
    color[i] = (1 - part) * kViridis[below][i] + part * kViridis[below + 1][i];
  }
  return color;
}

std::string ColorText(const Color& color) {
  return absl::StrFormat("#%02x%02x%02x", std::lround(color[0]), std::lround(color[1]),
                         std::lround(color[2]));
}

// Whether white stands out better than the dark text, by relative luminance (WCAG 2.1): below
// sqrt(1.05 * 0.071) - 0.05, where the text has 0.021.
bool WantsLightText(const Color& color) {
  const auto linear = [](double channel) {
    const double c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2]) < 0.223;
}

// "krum(f=5)" as "krum", "f=5".
std::pair<std::string, std::string> InTwoLines(absl::string_view name) {
  const size_t open = name.find('(');
  if (open == absl::string_view::npos || name.back() != ')') return {std::string(name), ""};
  return {std::string(name.substr(0, open)),
          std::string(name.substr(open + 1, name.size() - open - 2))};
}

// At spaces, into lines that are drawn this wide at most, if no word is wider.
std::vector<std::string> Wrapped(absl::string_view text, double width) {
  std::vector<std::string> lines;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!lines.empty() && TextWidth(absl::StrCat(lines.back(), " ", word)) <= width) {
      absl::StrAppend(&lines.back(), " ", word);
    } else {
      lines.emplace_back(word);
    }
  }
  return lines;
}

double WidestOf(const std::vector<std::string>& texts, double at_least) {
  double width = at_least;
  for (const std::string& text : texts) width = std::max(width, TextWidth(text));
  return width;
}

class Drawing {
 public:
  explicit Drawing(const HeatMap& map) : map_(map) {
    left_ = kMargin + WidestOf(map.rows, TextWidth(map.row_title)) + kLabelGap;
    for (const std::string& name : map.columns) {
      const auto [upper, lower] = InTwoLines(name);
      column_width_ =
          std::max({column_width_, TextWidth(upper) + kLabelGap, TextWidth(lower) + kLabelGap});
    }
    bottom_ = kHeadHeight + kRowHeight * static_cast<double>(map.rows.size());
    right_ = left_ + column_width_ * static_cast<double>(map.columns.size());
    width_ = std::max(right_ + kKeyGap + kKeyTotal, kMargin + 1.6 * TextWidth(map_.title));
    for (const std::string& note : map.notes) {
      for (std::string& line : Wrapped(note, width_ - kMargin)) notes_.push_back(std::move(line));
    }
    ChooseRange();
  }

  std::string Draw() {
    const double height = bottom_ + 2 * kMargin + kNoteHeight * static_cast<double>(notes_.size());
    AppendSvgHead(width_ + kMargin, height, kStyle, svg_);
    AppendSvgText(kMargin, 32, "class=\"title\"", map_.title, svg_);
    DrawNames();
    for (size_t row = 0; row < map_.rows.size(); ++row) {
      for (size_t column = 0; column < map_.columns.size(); ++column) DrawCell(row, column);
    }
    DrawKey();
    for (size_t i = 0; i < notes_.size(); ++i) {
      AppendSvgText(kMargin, bottom_ + kMargin + 8 + kNoteHeight * static_cast<double>(i),
                    "class=\"quiet\"", notes_[i], svg_);
    }
    return absl::StrCat(svg_, "</svg>\n");
  }

 private:
  // Round numbers around all values.
  void ChooseRange() {
    double low = 1.0, high = 0.0;
    for (const HeatMap::Cell& cell : map_.cells) {
      if (!cell.value.has_value()) continue;
      low = std::min(low, *cell.value);
      high = std::max(high, *cell.value);
    }
    low_ = std::min(0.9, std::floor(10 * low + 1e-9) / 10);
    high_ = std::max(low_ + 0.1, std::ceil(10 * high - 1e-9) / 10);
  }

  void DrawNames() {
    AppendSvgText(left_ - kLabelGap, kHeadHeight - 24, "text-anchor=\"end\" class=\"quiet\"",
                  map_.row_title, svg_);
    AppendSvgText((left_ + right_) / 2, kHeadHeight - 48, "text-anchor=\"middle\" class=\"quiet\"",
                  map_.column_title, svg_);
    for (size_t i = 0; i < map_.columns.size(); ++i) {
      const double x = left_ + column_width_ * (static_cast<double>(i) + 0.5);
      const auto [upper, lower] = InTwoLines(map_.columns[i]);
      AppendSvgText(x, kHeadHeight - 24, "text-anchor=\"middle\"", upper, svg_);
      AppendSvgText(x, kHeadHeight - 9, "text-anchor=\"middle\" class=\"quiet\"", lower, svg_);
    }
    for (size_t i = 0; i < map_.rows.size(); ++i) {
      AppendSvgText(left_ - kLabelGap,
                    kHeadHeight + kRowHeight * (static_cast<double>(i) + 0.5) + 4,
                    "text-anchor=\"end\"", map_.rows[i], svg_);
    }
  }

  void DrawCell(size_t row, size_t column) {
    const HeatMap::Cell& cell = map_.cells[row * map_.columns.size() + column];
    const double x = left_ + column_width_ * static_cast<double>(column);
    const double y = kHeadHeight + kRowHeight * static_cast<double>(row);
    const Color color =
        cell.value.has_value() ? ColorAt((*cell.value - low_) / (high_ - low_)) : kNoValue;
    absl::StrAppendFormat(&svg_,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                          "class=\"cell\" fill=\"%s\"><title>%s</title></rect>\n",
                          x, y, column_width_, kRowHeight, ColorText(color),
                          EscapedXml(cell.tooltip));
    const absl::string_view light = WantsLightText(color) ? " light" : "";
    const double middle = x + column_width_ / 2;
    const double shift = cell.detail.empty() ? 5 : -2;
    AppendSvgText(middle, y + kRowHeight / 2 + shift,
                  absl::StrCat("text-anchor=\"middle\" class=\"value", light, "\""), cell.text,
                  svg_);
    if (cell.detail.empty()) return;
    AppendSvgText(middle, y + kRowHeight / 2 + 14,
                  absl::StrCat("text-anchor=\"middle\" class=\"detail", light, "\""), cell.detail,
                  svg_);
  }

  // Colours from low (below) to high, with a number at each tenth.
  void DrawKey() {
    const double x = right_ + kKeyGap;
    const double height = bottom_ - kHeadHeight;
    constexpr int kSteps = 64;
    for (int i = 0; i < kSteps; ++i) {
      const double y = kHeadHeight + height * i / kSteps;
      absl::StrAppendFormat(&svg_,
                            "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\" "
                            "fill=\"%s\"/>\n",
                            x, y, kKeyWidth, height / kSteps + 1,
                            ColorText(ColorAt(1 - (i + 0.5) / kSteps)));
    }
    const double range = high_ - low_;
    // A number takes 14 pixels.
    const double every = 0.1 * std::max(1.0, std::ceil(range / 0.1 * 14 / height));
    for (double value = low_; value <= high_ + 1e-9; value += every) {
      AppendSvgText(x + kKeyWidth + 6, bottom_ - height * (value - low_) / range + 4,
                    "class=\"quiet\"", absl::StrFormat("%.1f", value), svg_);
    }
    AppendSvgText(x, kHeadHeight - 24, "class=\"quiet\"", map_.key_title, svg_);
  }

  const HeatMap& map_;
  std::vector<std::string> notes_;  // line by line
  std::string svg_;
  double width_ = 0;  // without the margin to the right
  double left_ = 0;
  double right_ = 0;
  double bottom_ = 0;
  double column_width_ = kMinColumnWidth;
  double low_ = 0;
  double high_ = 1;
};

}  // namespace

std::string HeatMapSvg(const HeatMap& map) { return Drawing(map).Draw(); }

}  // namespace tern::simulation
