#include "simulation/plan_command.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/data/sources.h"
#include "core/model/cost.h"
#include "server/planner.h"
#include "server/run_report.h"
#include "simulation/memory_drawing.h"
#include "simulation/memory_svg.h"

namespace tern::simulation {
namespace {

constexpr size_t kLineWidth = 120;
constexpr size_t kGap = 2;  // between columns

struct Column {
  absl::string_view above;  // what its upper lines are
  absl::string_view below;  // what its lower lines are, or are shares of
  bool is_text = false;     // texts are flush left, numbers right
};
constexpr Column kColumns[] = {
    {"class", "network", true}, {"RAM", "devices"},  {"width", ""},         {"batch", ""},
    {"codec", "", true},        {"steps", ""},       {"memory", "RAM"},     {"download", "bytes"},
    {"training", "FLOP"},       {"upload", "bytes"}, {"total", "deadline"}, {"energy", "battery"}};
constexpr size_t kNumColumns = std::size(kColumns);
constexpr size_t kPlanColumn = 2;  // where a refusal stands instead of the plan

using Line = std::array<std::string, kNumColumns>;
struct Entry {
  Line above;
  Line below;
  std::string refusal;  // instead of what stands from kPlanColumn on
};

// What is not limited, or not known.
constexpr char kNone[] = "-";

std::string ShareText(double part, double whole) {
  if (part <= 0.0 || whole <= 0.0) return "";
  const double percent = 100.0 * part / whole;
  if (percent < 0.1) return "<0.1 %";
  return absl::StrFormat(percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
}

std::string TimeText(absl::Duration time) {
  const double ms = absl::ToDoubleMilliseconds(time);
  if (ms <= 0.0) return kNone;
  if (ms < 9.95) return absl::StrFormat("%.1f ms", ms);
  if (ms < 999.5) return absl::StrFormat("%.0f ms", ms);
  return server::FormatElapsed(time);
}

std::string FlopsText(double flops) {
  const char* const units[] = {"k", "M", "G", "T", "P"};
  double value = flops / 1e3;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1e3;
    ++unit;
  }
  return absl::StrFormat("%.3g %s", value, units[unit]);
}

std::string StepsText(const TrainOptions& train, int64_t num_examples) {
  const int64_t all =
      train.local_epochs * ((num_examples + train.batch_size - 1) / train.batch_size);
  if (train.max_local_steps == 0 || train.max_local_steps >= all) return absl::StrCat(all);
  return absl::StrCat(train.max_local_steps, " of ", all);
}

std::string SizeText(int64_t bytes) { return bytes > 0 ? server::FormatBytes(bytes) : kNone; }

void AddPlan(const server::PlanChoice& plan, const CheckInRequest& request, absl::Duration deadline,
             Entry& entry) {
  const server::RoundEstimate& estimate = plan.estimate;
  const Capabilities& device = request.capabilities;
  const std::array<std::string, kNumColumns - kPlanColumn> above = {
      absl::StrCat(plan.width),
      BatchText(plan.train),
      plan.codec,
      StepsText(plan.train, request.num_examples),
      server::FormatBytes(estimate.peak_bytes),
      TimeText(estimate.download_time),
      TimeText(estimate.train_time),
      TimeText(estimate.upload_time),
      TimeText(estimate.total_time()),
      estimate.energy_j > 0.0 ? server::FormatEnergy(estimate.energy_j) : kNone};
  const std::array<std::string, kNumColumns - kPlanColumn> below = {
      "",
      "",
      plan.error_feedback ? "+ residual" : "",
      "",
      ShareText(static_cast<double>(estimate.peak_bytes), static_cast<double>(device.ram_bytes)),
      server::FormatBytes(estimate.bytes_down),
      FlopsText(estimate.flops),
      server::FormatBytes(estimate.bytes_up),
      ShareText(absl::ToDoubleSeconds(estimate.total_time()), absl::ToDoubleSeconds(deadline)),
      ShareText(estimate.energy_j, device.battery_joules)};
  std::copy(above.begin(), above.end(), entry.above.begin() + kPlanColumn);
  std::copy(below.begin(), below.end(), entry.below.begin() + kPlanColumn);
}

Entry MakeEntry(const ClassPlan& plan, absl::Duration deadline) {
  const DeviceProfile& profile = plan.device.profile;
  Entry entry;
  entry.above[0] = profile.name.empty() ? plan.device.name : profile.name;
  entry.below[0] = absl::StrCat(" ", profile.network.name);
  entry.above[1] = SizeText(profile.ram_bytes);
  entry.below[1] = absl::StrCat(plan.device.num_clients);
  if (const auto* refusal = std::get_if<Refusal>(&plan.answer)) {
    entry.refusal = absl::StrCat("refused: ", refusal->message);
  } else {
    AddPlan(std::get<server::PlanChoice>(plan.answer), plan.request, deadline, entry);
  }
  return entry;
}

std::vector<std::string> WrapWords(const std::string& text, size_t width) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
      lines.emplace_back();
    }
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
  }
  return lines;
}

class Table {
 public:
  explicit Table(std::vector<Entry> entries) : entries_(std::move(entries)) {
    for (size_t i = 0; i < kNumColumns; ++i) {
      head_.above[i] = std::string(kColumns[i].above);
      head_.below[i] = std::string(kColumns[i].below);
      widths_[i] = std::max(head_.above[i].size(), head_.below[i].size());
      for (const Entry& entry : entries_) {
        widths_[i] = std::max({widths_[i], entry.above[i].size(), entry.below[i].size()});
      }
    }
  }

  std::string ToString() const {
    std::string text;
    AppendEntry(head_, text);
    absl::StrAppend(&text, std::string(Cells({}, kNumColumns).size() - kGap, '-'), "\n");
    for (const Entry& entry : entries_) AppendEntry(entry, text);
    return text;
  }

 private:
  // The first `count` columns of a line.
  std::string Cells(const Line& line, size_t count) const {
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      const std::string space(widths_[i] - line[i].size(), ' ');
      absl::StrAppend(&text, kColumns[i].is_text ? line[i] + space : space + line[i],
                      std::string(kGap, ' '));
    }
    return text;
  }

  void AppendEntry(const Entry& entry, std::string& text) const {
    if (!entry.refusal.empty()) return AppendRefusal(entry, text);
    AppendLine(Cells(entry.above, kNumColumns), text);
    AppendLine(Cells(entry.below, kNumColumns), text);
  }

  void AppendRefusal(const Entry& entry, std::string& text) const {
    const Line empty;
    const size_t indent = Cells(empty, kPlanColumn).size();
    std::vector<std::string> words = WrapWords(entry.refusal, kLineWidth - indent);
    words.resize(std::max(words.size(), size_t{2}));
    for (size_t i = 0; i < words.size(); ++i) {
      const Line& line = i == 0 ? entry.above : i == 1 ? entry.below : empty;
      AppendLine(Cells(line, kPlanColumn) + words[i], text);
    }
  }

  static void AppendLine(absl::string_view line, std::string& text) {
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }

  Entry head_;
  std::vector<Entry> entries_;
  std::array<size_t, kNumColumns> widths_{};
};

}  // namespace

absl::StatusOr<std::string> DescribePlans(const server::Task& task,
                                          absl::Span<const ClassPlan> plans, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const Cost cost, CountCost(task.model));
  std::vector<Entry> entries;
  for (const ClassPlan& plan : plans) entries.push_back(MakeEntry(plan, task.round.deadline));
  return absl::StrFormat(
      "Task '%s': %s, %d parameters, deadline %s, of which a plan may take %s.\n"
      "A device has %d examples (the mean), trains for %d epoch%s, and its battery is full.\n\n%s",
      task.name, task.model.name, cost.num_parameters, TimeText(task.round.deadline),
      TimeText(server::Planner::kShareOfDeadline * task.round.deadline), num_examples,
      task.train.local_epochs, task.train.local_epochs == 1 ? "" : "s",
      Table(std::move(entries)).ToString());
}

absl::Status ShowMemory(const server::Task& task, absl::Span<const ClassPlan> plans,
                        const std::string& svg) {
  TERN_ASSIGN_OR_RETURN(const std::vector<PlanMemory> memories, DescribeMemoryOfPlans(task, plans));
  if (memories.empty()) {
    return absl::FailedPreconditionError("no class gets a plan whose memory could be shown");
  }
  for (const PlanMemory& memory : memories) std::printf("\n%s", MemoryText(memory).c_str());
  if (svg.empty()) return absl::OkStatus();
  TERN_RETURN_IF_ERROR(WriteFileAtomically(svg, MemorySvg(memories)));
  std::printf("\n%s written\n", svg.c_str());
  return absl::OkStatus();
}

absl::Status ShowPlans(const PlanCommand& command) {
  TERN_ASSIGN_OR_RETURN(const server::LoadedConfig config,
                        server::LoadConfig(command.config, command.overrides));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> train,
                        LoadDataset(config.data, Split::kTrain));
  const int64_t num_examples = std::max(int64_t{1}, train->size() / config.num_clients);
  TERN_ASSIGN_OR_RETURN(const std::vector<ClassPlan> plans, ChoosePlans(config, num_examples));
  TERN_ASSIGN_OR_RETURN(const std::string text, DescribePlans(config.task, plans, num_examples));
  std::printf("%s", text.c_str());
  if (!command.memory) return absl::OkStatus();
  return ShowMemory(config.task, plans, command.memory_svg);
}

}  // namespace tern::simulation
