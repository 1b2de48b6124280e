#include "simulation/memory_svg.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "simulation/memory_drawing.h"
#include "simulation/svg.h"

namespace tern::simulation {
namespace {

// Pixels.
constexpr double kWidth = 1200;
constexpr double kMargin = 24;
constexpr double kTextHeight = 13;
constexpr double kBarTop = 62;
constexpr double kBarHeight = 28;
constexpr double kArenaTop = 146;
constexpr double kArenaHeight = 420;
constexpr double kArenaLeft = 104;
constexpr double kArenaRight = kWidth - 150;
constexpr size_t kLongestStepName = 24;   // characters
constexpr double kStepNamesHeight = 172;  // of that many, upright
constexpr double kPlanHeight = kArenaTop + kArenaHeight + kStepNamesHeight;
constexpr double kNoteHeight = 24;
constexpr double kThin = 4;

constexpr char kStyle[] =
    "text{font:11px sans-serif;fill:#1f2933}"
    ".title{font-size:17px;font-weight:bold}"
    ".quiet{fill:#52606d}"
    "rect{stroke:#fff;stroke-width:1}"
    "rect:hover{stroke:#1f2933}"
    ".output{fill:#9ecae8}.saved{fill:#8fd3c3}.workspace{fill:#f3d98b}.gradient{fill:#f2ab8c}"
    ".shared{fill:#c9b3e6}.held{fill:#cbd2d9}.all{fill:#b7cbe0}.arena{fill:#eef2f5}.thin{stroke:"
    "none}"
    ".grid{stroke:#dde3e8}.axis{stroke:#7b8794}.bound{stroke:#b42318;stroke-dasharray:6 4}"
    ".boundtext{fill:#b42318}text{pointer-events:none}";

struct Kind {
  TensorRole role;
  absl::string_view css_class;
  absl::string_view name;
};
constexpr Kind kKinds[] = {{TensorRole::kActivation, "output", "output"},
                           {TensorRole::kSaved, "saved", "saved by a forward pass"},
                           {TensorRole::kWorkspace, "workspace", "workspace"},
                           {TensorRole::kGradient, "gradient", "gradient of an output"},
                           {TensorRole::kSharedGradient, "shared", "shared gradient"}};

const Kind& KindOf(TensorRole role) {
  const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& one) { return one.role == role; });
  TERN_CHECK(kind != std::end(kKinds));
  return *kind;
}

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

// Words in lines of at most `width`; empty: a word is longer.
std::vector<std::string> Wrapped(absl::string_view text, double width) {
  std::vector<std::string> lines;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (TextWidth(word) > width) return {};
    if (lines.empty() || TextWidth(lines.back()) + TextWidth(" ") + TextWidth(word) > width) {
      lines.emplace_back(word);
    } else {
      absl::StrAppend(&lines.back(), " ", word);
    }
  }
  return lines;
}

// In the middle of the box, in lines or upright, as it fits; false if it does not.
bool AppendLabel(const Box& box, absl::string_view label, std::string& svg) {
  const double middle_x = box.x + box.width / 2;
  const double middle_y = box.y + box.height / 2;
  const std::vector<std::string> lines = Wrapped(label, box.width - 6);
  const double height = kTextHeight * static_cast<double>(lines.size());
  if (!lines.empty() && height <= box.height + 1) {
    double y = middle_y - height / 2 + 10;
    for (const std::string& line : lines) {
      AppendSvgText(middle_x, y, "text-anchor=\"middle\"", line, svg);
      y += kTextHeight;
    }
    return true;
  }
  if (TextWidth(label) + 6 > box.height || box.width < kTextHeight) return false;
  AppendSvgText(middle_x + 4, middle_y,
                absl::StrFormat("text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"",
                                middle_x + 4, middle_y),
                label, svg);
  return true;
}

// With the label, or what is short for it, where there is room.
void AppendBox(const Box& box, absl::string_view css_class, absl::string_view label,
               absl::string_view short_label, absl::string_view title, std::string& svg) {
  // What is thin has no border, which would hide it.
  const bool thin = box.width < kThin || box.height < kThin;
  absl::StrAppendFormat(&svg,
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                        "class=\"%s%s\"><title>%s</title></rect>\n",
                        box.x, box.y, std::max(box.width, 1.0), std::max(box.height, 1.0),
                        css_class, thin ? " thin" : "", EscapedXml(title));
  if (!AppendLabel(box, label, svg)) AppendLabel(box, short_label, svg);
}

// All that is held at the peak, the largest first, the arena last.
void AppendPeakBar(const MemoryReport& report, std::string& svg) {
  const double scale = (kWidth - 2 * kMargin) / static_cast<double>(report.peak_bytes());
  double x = kMargin;
  const auto append = [&](const MemoryItem& item, absl::string_view css_class) {
    const double width = static_cast<double>(item.bytes) * scale;
    const std::string title = absl::StrCat(item.name, ", ", BytesText(item.bytes));
    // A number and its unit stay in one line.
    const std::string label = absl::StrReplaceAll(title, {{" B", "\u00a0B"}});
    AppendBox({x, kBarTop, width, kBarHeight}, css_class, label, item.name, title, svg);
    x += width;
  };
  for (const MemoryItem& item : LargestItems(report.held, report.held.size())) append(item, "held");
  append({"arena", report.arena_bytes}, "all");
}

// Draws the arena of one plan.
class Arena {
 public:
  Arena(const MemoryReport& report, std::string& svg) : report_(report), svg_(svg) {}

  void Draw() {
    AppendBox({kArenaLeft, kArenaTop, kArenaRight - kArenaLeft, kArenaHeight}, "arena", "", "",
              "not used at these steps", svg_);
    DrawAddresses();
    DrawSteps();
    for (size_t i = 0; i < report_.tensors.size(); ++i) DrawTensor(i);
    DrawBounds();
    DrawKey();
  }

 private:
  double X(int64_t step) const {
    return kArenaLeft + (kArenaRight - kArenaLeft) * static_cast<double>(step) /
                            static_cast<double>(report_.steps.size());
  }
  double Y(int64_t address) const {
    return kArenaTop + kArenaHeight -
           kArenaHeight * static_cast<double>(address) / static_cast<double>(report_.arena_bytes);
  }

  void DrawTensor(size_t index) {
    const ArenaTensor& tensor = report_.tensors[index];
    const double y = Y(tensor.offset_bytes + tensor.bytes);
    const double x = X(tensor.first_step);
    const std::string title =
        absl::StrCat(index + 1, " ", tensor.name, ": ", BytesText(tensor.bytes), " from address ",
                     BytesText(tensor.offset_bytes), ", step ", StepText(tensor.first_step),
                     " to step ", StepText(tensor.last_step));
    AppendBox({x, y, X(tensor.last_step + 1) - x, Y(tensor.offset_bytes) - y},
              KindOf(tensor.role).css_class, tensor.name, absl::StrCat(index + 1), title, svg_);
  }

  std::string StepText(int64_t step) const {
    return absl::StrCat(step + 1, " ", report_.steps[static_cast<size_t>(step)]);
  }

  // Addresses of 1, 2 or 5 times a power of ten, about six of them.
  void DrawAddresses() {
    const double wanted = static_cast<double>(report_.arena_bytes) / 6;
    const double power = std::pow(10.0, std::floor(std::log10(std::max(wanted, 1.0))));
    double distance = power;
    for (const double factor : {2.0, 5.0, 10.0}) {
      if (distance < wanted) distance = factor * power;
    }
    const auto step = static_cast<int64_t>(distance);
    for (int64_t address = 0; address < report_.arena_bytes; address += step) {
      AppendSvgLine(kArenaLeft - 5, Y(address), kArenaRight, Y(address), "grid", svg_);
      AppendSvgText(kArenaLeft - 9, Y(address) + 4, "text-anchor=\"end\" class=\"quiet\"",
                    BytesText(address), svg_);
    }
  }

  // Names of steps, as many as there is room for.
  void DrawSteps() {
    const auto count = static_cast<int64_t>(report_.steps.size());
    const double bottom = kArenaTop + kArenaHeight;
    const double width = X(1) - X(0);
    const auto every = static_cast<int64_t>(std::ceil(kTextHeight / width));
    for (int64_t step = 0; step < count; ++step) {
      AppendSvgLine(X(step), kArenaTop, X(step), bottom + 4, "grid", svg_);
      if (step % every != 0) continue;
      const double x = (X(step) + X(step + 1)) / 2 + 4;
      const double y = bottom + 10;
      const std::string text = ShortName(StepText(step), kLongestStepName);
      // Upright only where lying they would touch.
      if (count <= 8 && TextWidth(text) + 4 < width) {
        AppendSvgText(x - 4, y + 6, "text-anchor=\"middle\"", text, svg_);
        continue;
      }
      AppendSvgText(
          x, y, absl::StrFormat("text-anchor=\"end\" transform=\"rotate(-90 %.1f %.1f)\"", x, y),
          text, svg_);
    }
    AppendSvgLine(kArenaLeft, bottom, kArenaRight, bottom, "axis", svg_);
    AppendSvgLine(kArenaLeft, kArenaTop, kArenaLeft, bottom, "axis", svg_);
  }

  // The arena's end and its lower bound, which may be the same; their texts stand apart.
  void DrawBounds() {
    const double top = kArenaTop;
    const double bound = Y(report_.lower_bound_bytes);
    AppendSvgLine(kArenaLeft, top, kArenaRight + 8, top, "axis", svg_);
    AppendSvgLine(kArenaLeft, bound, kArenaRight + 8, bound, "bound", svg_);
    const double x = kArenaRight + 12;
    AppendSvgText(x, top - 8, "", absl::StrCat("arena ", BytesText(report_.arena_bytes)), svg_);
    const double y = std::max(bound, top + 6) + 6;
    AppendSvgText(x, y, "class=\"boundtext\"", "lower bound", svg_);
    AppendSvgText(x, y + kTextHeight, "class=\"boundtext\"", BytesText(report_.lower_bound_bytes),
                  svg_);
    AppendSvgText(x, y + 2 * kTextHeight, "class=\"boundtext\"",
                  absl::StrCat("alive at step ", report_.fullest_step + 1), svg_);
  }

  void DrawKey() {
    double x = kArenaLeft;
    for (const Kind& kind : kKinds) {
      const bool occurs =
          std::any_of(report_.tensors.begin(), report_.tensors.end(),
                      [&](const ArenaTensor& tensor) { return tensor.role == kind.role; });
      if (!occurs) continue;
      absl::StrAppendFormat(
          &svg_, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" class=\"%s\"/>\n", x,
          kArenaTop - 22, kind.css_class);
      AppendSvgText(x + 17, kArenaTop - 12, "", kind.name, svg_);
      x += 17 + TextWidth(kind.name) + 18;
    }
  }

  const MemoryReport& report_;
  std::string& svg_;
};

void AppendPlan(const PlanMemory& memory, std::string& svg) {
  const MemoryReport& report = memory.report;
  AppendSvgText(kMargin, 26, "class=\"title\"", memory.plan, svg);
  AppendSvgText(kMargin, 46, "class=\"quiet\"",
                absl::StrCat(memory.classes, ": ", BytesText(report.peak_bytes()),
                             " at the peak, of which the arena is ", BytesText(report.arena_bytes)),
                svg);
  AppendPeakBar(report, svg);
  Arena(report, svg).Draw();
}

}  // namespace

std::string MemorySvg(absl::Span<const PlanMemory> memories) {
  const double height = kPlanHeight * static_cast<double>(memories.size()) + kNoteHeight;
  std::string svg;
  AppendSvgHead(kWidth, height, kStyle, svg);
  double top = 0;
  for (const PlanMemory& memory : memories) {
    absl::StrAppendFormat(&svg, "<g transform=\"translate(0 %.0f)\">\n", top);
    AppendPlan(memory, svg);
    absl::StrAppend(&svg, "</g>\n");
    top += kPlanHeight;
  }
  AppendSvgText(kMargin, height - 9, "class=\"quiet\"",
                "Numbers in boxes are those of the table that --memory prints.", svg);
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace tern::simulation
