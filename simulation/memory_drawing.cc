#include "simulation/memory_drawing.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

namespace tern::simulation {
namespace {

constexpr size_t kLineWidth = 120;
constexpr size_t kLongestName = 35;
constexpr size_t kLongestStepName = 23;  // in a line with other entries
constexpr int64_t kWidestStep = 16;      // columns
constexpr int64_t kFullHeight = 16;      // lines of an arena in which nothing is small
constexpr size_t kMaxBorders = 64;       // addresses at which tensors begin or end

// Without the unit.
std::string Number(int64_t bytes) {
  const std::string text = BytesText(bytes);
  return text.substr(0, text.size() - 2);
}

// Bytes of the character that `text`, which is not empty, begins with; 0: none.
size_t CharacterSize(absl::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  const size_t size = first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  uint32_t code = first & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  const bool allowed = !surrogate && code != 0xFFFE && code != 0xFFFF && code <= 0x10FFFF;
  return allowed && code >= kSmallest[size] ? size : 0;
}

std::string Padded(absl::string_view text, size_t width) {
  const size_t size = Characters(text).size();
  return absl::StrCat(text, std::string(width - std::min(size, width), ' '));
}

char Fill(TensorRole role) {
  switch (role) {
    case TensorRole::kActivation:
      return '.';
    case TensorRole::kSaved:
      return ':';
    case TensorRole::kWorkspace:
      return '~';
    case TensorRole::kGradient:
      return '=';
    case TensorRole::kSharedGradient:
      return '#';
  }
  return ' ';
}

constexpr char kKey[] =
    "Key: . output  : saved by a forward pass  ~ workspace  = gradient of an output  # shared "
    "gradient";

void AppendLine(absl::string_view line, std::string& text) {
  absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
}

// "1 conv1 forward": counted from 1.
std::string StepText(const MemoryReport& report, int64_t step, size_t most) {
  return ShortName(absl::StrCat(step + 1, " ", report.steps[static_cast<size_t>(step)]), most);
}

void AppendHeld(const MemoryReport& report, std::string& text) {
  const auto line = [&](absl::string_view name, int64_t bytes, absl::string_view remark) {
    AppendLine(absl::StrFormat("  %-31s %15s  %s", name, BytesText(bytes), remark), text);
  };
  for (const MemoryItem& item : report.held) line(item.name, item.bytes, "");
  line("arena", report.arena_bytes, "");
  line("peak", report.peak_bytes(), "");
  const double ratio =
      static_cast<double>(report.arena_bytes) / static_cast<double>(report.lower_bound_bytes);
  line("lower bound of the arena", report.lower_bound_bytes,
       absl::StrFormat("alive at step %s; the arena is %.3f times that",
                       StepText(report, report.fullest_step, kLongestStepName), ratio));
}

void AppendTable(const MemoryReport& report, std::string& text) {
  const auto step = [&](int64_t index) { return StepText(report, index, kLongestStepName); };
  size_t name_width = 6;
  size_t step_width = 9;
  for (const ArenaTensor& tensor : report.tensors) {
    name_width = std::max(name_width, Characters(ShortName(tensor.name, kLongestName)).size());
    step_width = std::max(step_width, Characters(step(tensor.first_step)).size());
  }
  const auto line = [&](const auto& number, absl::string_view name, absl::string_view bytes,
                        absl::string_view offset, absl::string_view from, absl::string_view to) {
    AppendLine(
        absl::StrFormat("%5s  %s %13s %13s  %s  %s", absl::StrCat(number), Padded(name, name_width),
                        bytes, offset, Padded(from, step_width), to),
        text);
  };
  line("#", "tensor", "bytes", "offset", "from step", "to step");
  for (size_t i = 0; i < report.tensors.size(); ++i) {
    const ArenaTensor& tensor = report.tensors[i];
    line(i + 1, ShortName(tensor.name, kLongestName), Number(tensor.bytes),
         Number(tensor.offset_bytes), step(tensor.first_step), step(tensor.last_step));
  }
}

// Characters, the lowest addresses in the last line.
class Picture {
 public:
  explicit Picture(const MemoryReport& report)
      : report_(report), label_width_(Number(report.arena_bytes).size() + 2) {
    ChooseTensors();
    PlaceLines();
    const auto steps = static_cast<int64_t>(report.steps.size());
    columns_ = static_cast<int64_t>(kLineWidth - label_width_);
    if (steps <= columns_) columns_ = steps * std::min(columns_ / steps, kWidestStep);
    lines_.assign(static_cast<size_t>(line_of_.back()),
                  std::string(static_cast<size_t>(columns_), ' '));
    for (size_t i = 0; i < report.tensors.size(); ++i) {
      if (drawn_[i]) Draw(i);
    }
  }

  std::string ToString() const {
    std::string text;
    AppendLabelled(Number(report_.arena_bytes), "", text);
    for (size_t line = lines_.size(); line-- > 0;) {
      AppendLabelled(Label(static_cast<int64_t>(line)), lines_[line], text);
    }
    AppendLine(
        std::string(label_width_ - 1, ' ') + "+" + std::string(static_cast<size_t>(columns_), '-'),
        text);
    AppendLine(std::string(label_width_, ' ') + Axis(), text);
    AppendNotes(text);
    return text;
  }

 private:
  // The largest, as long as their borders are not too many.
  void ChooseTensors() {
    const std::vector<ArenaTensor>& tensors = report_.tensors;
    std::vector<size_t> by_size(tensors.size());
    for (size_t i = 0; i < by_size.size(); ++i) by_size[i] = i;
    std::stable_sort(by_size.begin(), by_size.end(),
                     [&](size_t a, size_t b) { return tensors[a].bytes > tensors[b].bytes; });
    drawn_.assign(tensors.size(), false);
    std::set<int64_t> borders = {0, report_.arena_bytes};
    for (const size_t index : by_size) {
      if (borders.size() + 2 > kMaxBorders) break;
      borders.insert({tensors[index].offset_bytes, tensors[index].end_bytes()});
      drawn_[index] = true;
    }
    borders_.assign(borders.begin(), borders.end());
  }

  void PlaceLines() {
    line_of_ = {0};
    for (size_t i = 1; i < borders_.size(); ++i) {
      const int64_t bytes = borders_[i] - borders_[i - 1];
      const int64_t height = (bytes * kFullHeight + report_.arena_bytes / 2) / report_.arena_bytes;
      line_of_.push_back(line_of_.back() + std::max(height, int64_t{1}));
    }
  }

  int64_t LineOf(int64_t address) const {
    const auto border = std::lower_bound(borders_.begin(), borders_.end(), address);
    return line_of_[static_cast<size_t>(border - borders_.begin())];
  }

  int64_t ColumnOf(int64_t step) const {
    return step * columns_ / static_cast<int64_t>(report_.steps.size());
  }

  void Draw(size_t index) {
    const ArenaTensor& tensor = report_.tensors[index];
    const auto begin = static_cast<size_t>(ColumnOf(tensor.first_step));
    const auto end = std::max(static_cast<size_t>(ColumnOf(tensor.last_step + 1)), begin + 1);
    const size_t width = end - begin;
    const auto lowest = static_cast<size_t>(LineOf(tensor.offset_bytes));
    const auto above = static_cast<size_t>(LineOf(tensor.end_bytes()));
    for (size_t line = lowest; line < above; ++line) {
      std::string& cells = lines_[line];
      cells.replace(begin, width, width, Fill(tensor.role));
      if (width < 2) continue;
      cells[begin] = '[';
      cells[end - 1] = ']';
    }
    const std::string number = absl::StrCat(index + 1);
    const std::string label = absl::StrCat(number, " ", ShortName(tensor.name, kLongestName));
    std::string& top = lines_[above - 1];
    // A cell is a byte, which a longer character would shift.
    if (label.size() + 2 <= width && Characters(label).size() == label.size()) {
      top.replace(begin + 1, label.size(), label);
    } else if (number.size() + 2 <= width) {
      top.replace(begin + 1, number.size(), number);
    } else if (number.size() <= width) {
      top.replace(begin, number.size(), number);
    }
  }

  // The address at which the line begins, if a tensor may begin or end there.
  std::string Label(int64_t line) const {
    const auto found = std::lower_bound(line_of_.begin(), line_of_.end(), line);
    if (*found != line) return "";
    return Number(borders_[static_cast<size_t>(found - line_of_.begin())]);
  }

  void AppendLabelled(absl::string_view label, absl::string_view cells, std::string& text) const {
    AppendLine(absl::StrFormat("%*s |%s", label_width_ - 2, label, cells), text);
  }

  // Numbers of steps, as many as there is room for.
  std::string Axis() const {
    std::string axis;
    for (size_t step = 0; step < report_.steps.size(); ++step) {
      const auto column = static_cast<size_t>(ColumnOf(static_cast<int64_t>(step)));
      const std::string number = absl::StrCat(step + 1);
      if (!axis.empty() && column < axis.size() + 1) continue;
      if (column + number.size() > static_cast<size_t>(columns_)) break;
      axis.resize(column, ' ');
      axis += number;
    }
    return axis;
  }

  void AppendNotes(std::string& text) const {
    std::string line = "Steps:";
    for (size_t step = 0; step < report_.steps.size(); ++step) {
      const std::string name =
          absl::StrCat(" ", StepText(report_, static_cast<int64_t>(step), kLongestName),
                       step + 1 < report_.steps.size() ? "," : "");
      if (line.size() + name.size() > kLineWidth) {
        AppendLine(line, text);
        line = " ";
      }
      line += name;
    }
    AppendLine(line, text);
    AppendLine(kKey, text);
    const auto omitted = std::count(drawn_.begin(), drawn_.end(), false);
    if (omitted > 0) {
      AppendLine(absl::StrCat("The ", omitted, " smallest tensors are not drawn."), text);
    }
  }

  const MemoryReport& report_;
  const size_t label_width_;
  int64_t columns_ = 0;
  std::vector<bool> drawn_;
  std::vector<int64_t> borders_;  // addresses, ascending
  std::vector<int64_t> line_of_;  // of each border
  std::vector<std::string> lines_;
};

}  // namespace

std::string MemoryText(const PlanMemory& memory) {
  const MemoryReport& report = memory.report;
  std::string text =
      absl::StrCat("Memory of the plan with ", memory.plan, ", for ", memory.classes, ":\n\n");
  AppendHeld(report, text);
  AppendLine("", text);
  AppendTable(report, text);
  return absl::StrCat(text, "\n", DrawArena(report));
}

std::string DrawArena(const MemoryReport& report) { return Picture(report).ToString(); }

std::vector<std::string> Characters(absl::string_view text) {
  std::vector<std::string> characters;
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    const bool control = size == 1 && absl::ascii_iscntrl(static_cast<unsigned char>(text[0]));
    characters.emplace_back(size == 0 ? "?" : control ? " " : text.substr(0, size));
    text.remove_prefix(std::max(size, size_t{1}));
  }
  return characters;
}

std::string ShortName(absl::string_view name, size_t most) {
  const std::vector<std::string> characters = Characters(name);
  if (characters.size() <= most) return absl::StrJoin(characters, "");
  // " workspace (backward)" fits into two thirds of kLongestName.
  const size_t end = (most - 2) * 2 / 3;
  const absl::Span<const std::string> all = characters;
  return absl::StrCat(absl::StrJoin(all.first(most - 2 - end), ""), "..",
                      absl::StrJoin(all.last(end), ""));
}

}  // namespace tern::simulation
