#include "core/train/memory_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/shape.h"
#include "core/base/status_macros.h"
#include "core/engine/program.h"
#include "core/train/plan_cost.h"

namespace tern {
namespace {

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));
constexpr int64_t kAlignmentBytes = kArenaAlignmentFloats * kFloatBytes;

// The names of a program's steps and tensors.
class Names {
 public:
  Names(const ModelSpec& model, const Schedule& schedule) : model_(model), schedule_(schedule) {
    const auto is_loss = [](const ScheduledStep& step) { return step.kind == StepKind::kLoss; };
    const std::vector<ScheduledStep>& steps = schedule.training.steps;
    loss_ = std::find_if(steps.begin(), steps.end(), is_loss) - steps.begin();
  }

  std::string OfStep(int64_t index) const {
    const ScheduledStep& step = schedule_.training.steps[static_cast<size_t>(index)];
    if (step.kind == StepKind::kLoss) return "loss";
    return absl::StrCat(Layer(step.layer), " ", Pass(index));
  }

  std::string OfTensor(const PlacedTensor& tensor) const {
    const int64_t step = tensor.life.first_use;
    switch (tensor.role) {
      case TensorRole::kActivation:
        return absl::StrCat(Layer(tensor.layer), " output", step > loss_ ? " again" : "");
      case TensorRole::kSaved:
        return absl::StrCat(Layer(tensor.layer), " saved", step > loss_ ? " again" : "");
      case TensorRole::kWorkspace:
        return absl::StrCat(Layer(tensor.layer), " workspace (", Pass(step), ")");
      case TensorRole::kGradient:
        return absl::StrCat("gradient of ", Layer(Producer(tensor.layer)), " output");
      case TensorRole::kSharedGradient:
        return absl::StrCat("shared gradient of ", Parameters(tensor.layer));
    }
    return "";
  }

 private:
  const LayerSpec& Spec(size_t layer) const {
    return model_.layers[schedule_.layers[layer].spec_index];
  }
  const std::string& Layer(size_t layer) const { return Spec(layer).name; }

  const std::string& Parameters(size_t layer) const {
    const LayerSpec& spec = Spec(layer);
    return spec.parameters.empty() ? spec.name : spec.parameters;
  }

  std::string Pass(int64_t step) const {
    const StepKind kind = schedule_.training.steps[static_cast<size_t>(step)].kind;
    if (kind == StepKind::kBackward) return "backward";
    return step > loss_ ? "forward again" : "forward";
  }

  // The layer that the buffer of this one's output is from: the gradients of all that work in place
  // or are views are one tensor, too.
  size_t Producer(size_t layer) const {
    while (layer > 0 && schedule_.layers[layer].kernel->output_buffer != OutputBuffer::kOwn) {
      --layer;
    }
    return layer;
  }

  const ModelSpec& model_;
  const Schedule& schedule_;
  int64_t loss_ = 0;  // the step
};

// The first of those at which the most is alive.
int64_t FullestStep(const MemoryReport& report) {
  std::vector<int64_t> alive(report.steps.size());
  for (const ArenaTensor& tensor : report.tensors) {
    for (int64_t step = tensor.first_step; step <= tensor.last_step; ++step) {
      alive[static_cast<size_t>(step)] += tensor.end_bytes() - tensor.offset_bytes;
    }
  }
  return std::max_element(alive.begin(), alive.end()) - alive.begin();
}

}  // namespace

int64_t ArenaTensor::end_bytes() const {
  return offset_bytes + (bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
}

int64_t MemoryReport::peak_bytes() const {
  int64_t bytes = arena_bytes;
  for (const MemoryItem& item : held) bytes += item.bytes;
  return bytes;
}

std::vector<MemoryItem> MemoryReport::Items() const {
  std::vector<MemoryItem> items = held;
  for (const ArenaTensor& tensor : tensors) {
    if (tensor.first_step > fullest_step || tensor.last_step < fullest_step) continue;
    items.push_back({tensor.name, tensor.bytes});
  }
  return items;
}

std::vector<MemoryItem> HeldItems(const Plan& plan, const Program& program, int64_t num_examples) {
  const SgdOptions sgd = ToSgdOptions(plan.train);
  const int64_t trained_bytes = program.trained().size * kFloatBytes;
  constexpr auto kLabelBytes = static_cast<int64_t>(sizeof(int32_t));
  const std::vector<MemoryItem> all = {
      {"parameters", program.layout().size * kFloatBytes},
      {"velocity", sgd.needs_velocity() ? trained_bytes : 0},
      {"gradient", NeedsGradient(plan.train) ? trained_bytes : 0},
      {"start of FedProx", sgd.needs_start() ? trained_bytes : 0},
      {"gradient at the start",
       plan.train.method == ClientMethod::kScaffoldGradient ? trained_bytes : 0},
      {"inputs of a batch", program.batch_size() * NumElements(plan.model.input) * kFloatBytes},
      {"labels", program.batch_size() * kLabelBytes},
      {"order of the examples", num_examples * kLabelBytes},
      {"classes that occur", plan.train.only_present_classes ? program.num_classes() : 0}};
  std::vector<MemoryItem> held;
  std::copy_if(all.begin(), all.end(), std::back_inserter(held),
               [](const MemoryItem& item) { return item.bytes > 0; });
  return held;
}

absl::StatusOr<MemoryReport> DescribeMemory(const Plan& plan, int64_t num_examples) {
  TERN_ASSIGN_OR_RETURN(const Program program,
                        Program::Compile(plan.model, ToProgramOptions(plan.train)));
  const StepPlan& training = program.schedule().training;
  MemoryReport report = {.held = HeldItems(plan, program, num_examples),
                         .arena_bytes = training.arena_floats * kFloatBytes,
                         .lower_bound_bytes = training.lower_bound_floats * kFloatBytes};
  const Names names(plan.model, program.schedule());
  for (size_t i = 0; i < training.steps.size(); ++i) {
    report.steps.push_back(names.OfStep(static_cast<int64_t>(i)));
  }
  for (const PlacedTensor& tensor : training.tensors) {
    report.tensors.push_back({.name = names.OfTensor(tensor),
                              .role = tensor.role,
                              .bytes = tensor.life.floats * kFloatBytes,
                              .offset_bytes = tensor.offset * kFloatBytes,
                              .first_step = tensor.life.first_use,
                              .last_step = tensor.life.last_use});
  }
  report.fullest_step = FullestStep(report);
  return report;
}

std::vector<MemoryItem> LargestItems(std::vector<MemoryItem> items, size_t count) {
  std::stable_sort(items.begin(), items.end(),
                   [](const MemoryItem& a, const MemoryItem& b) { return a.bytes > b.bytes; });
  items.resize(std::min(items.size(), count));
  return items;
}

std::string MemoryItemsText(absl::Span<const MemoryItem> items) {
  return absl::StrJoin(items, ", ", [](std::string* text, const MemoryItem& item) {
    absl::StrAppend(text, item.name, " ", BytesText(item.bytes));
  });
}

std::string BytesText(int64_t bytes) {
  const std::string digits = absl::StrCat(bytes);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return absl::StrCat(text, " B");
}

}  // namespace tern
