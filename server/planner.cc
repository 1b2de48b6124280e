#include "server/planner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "compression/codec.h"
#include "core/base/status_macros.h"
#include "core/train/plan_cost.h"
#include "core/wire/chunks.h"
#include "core/wire/device_memory.h"
#include "core/wire/plan_bytes.h"
#include "server/device_cost.h"

namespace tern::server {
namespace {

// Of what a plan's memory is made of, a refusal names so many.
constexpr size_t kNamedItems = 3;

// The most steps that go over no more than `examples`.
int64_t StepsWithin(int64_t examples, int64_t num_examples, int64_t batch_size) {
  const int64_t steps_per_epoch = (num_examples - 1) / batch_size + 1;
  return examples / num_examples * steps_per_epoch + examples % num_examples / batch_size;
}

// amount / rate; what is not known takes nothing.
double Quotient(double amount, double rate) { return rate > 0.0 ? amount / rate : 0.0; }

// An element of `wanted` that a device with `have` lacks; null if none. Empty: it has all.
template <typename T>
const T* FirstLacking(const std::vector<T>& have, const std::vector<T>& wanted) {
  if (have.empty()) return nullptr;
  const auto lacking = std::find_if(wanted.begin(), wanted.end(), [&](const T& one) {
    return std::find(have.begin(), have.end(), one) == have.end();
  });
  return lacking == wanted.end() ? nullptr : &*lacking;
}

std::vector<LayerKind> LayerKinds(const ModelSpec& model) {
  std::vector<LayerKind> kinds;
  for (const LayerSpec& layer : model.layers) {
    if (std::find(kinds.begin(), kinds.end(), layer.kind) == kinds.end()) {
      kinds.push_back(layer.kind);
    }
  }
  return kinds;
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.4g s", absl::ToDoubleSeconds(duration));
}

}  // namespace

struct Planner::Device {
  explicit Device(const CheckInRequest& request)
      : capabilities(request.capabilities),
        num_examples(std::clamp(request.num_examples, int64_t{1}, kMaxNumExamples)) {}

  bool CanExecute(const Candidate& candidate) const {
    return FirstLacking(capabilities.codecs, candidate.stages) == nullptr &&
           FirstLacking(capabilities.layer_kinds, candidate.layer_kinds) == nullptr;
  }
  // The trainer keeps the order of the examples.
  int64_t OrderBytes() const { return num_examples * static_cast<int64_t>(sizeof(int32_t)); }
  int64_t PeakBytes(const Candidate& candidate) const {
    return candidate.cost.peak_bytes() + OrderBytes();
  }
  bool HasMemory(const Candidate& candidate) const {
    return capabilities.ram_bytes == 0 || PeakBytes(candidate) <= capabilities.ram_bytes;
  }
  bool HasStorage(const Candidate& candidate) const {
    return capabilities.storage_bytes == 0 || candidate.state_bytes <= capabilities.storage_bytes;
  }

  const Capabilities& capabilities;
  const int64_t num_examples;
};

absl::StatusOr<Planner> Planner::Create(const Task& task) {
  Planner planner;
  planner.min_local_steps_ = task.adapt.min_local_steps;
  planner.deadline_ = task.round.deadline;
  for (size_t i = 0; i < task.adapt.widths.size(); ++i) {
    // What a submodel costs is the same in every round.
    const SubmodelOptions options = {.rule = task.adapt.submodel, .width = task.adapt.widths[i]};
    TERN_ASSIGN_OR_RETURN(const Submodel submodel, MakeSubmodel(task.model, options));
    for (const std::string& codec : task.Codecs()) {
      for (const TrainOptions& train : task.Trainings()) {
        TERN_ASSIGN_OR_RETURN(Candidate candidate, MakeCandidate(task, submodel, codec, train));
        candidate.width_index = i;
        candidate.width = options.width;
        planner.candidates_.push_back(std::move(candidate));
      }
    }
  }
  return planner;
}

absl::StatusOr<Planner::Candidate> Planner::MakeCandidate(const Task& task,
                                                          const Submodel& submodel,
                                                          const std::string& codec,
                                                          const TrainOptions& train) {
  Candidate candidate = {.codec = codec, .layer_kinds = LayerKinds(submodel.model), .train = train};
  Plan plan = {.model = submodel.model,
               .train = train,
               .codec = codec,
               .submodel = submodel.name,
               .residual = task.residual};
  TERN_ASSIGN_OR_RETURN(const PlanCodec plan_codec, PlanCodec::Make(plan));
  for (const compression::StageSpec& stage : plan_codec.spec().stages) {
    candidate.stages.push_back(stage.name);
  }
  candidate.error_feedback = task.error_feedback && plan_codec.spec().NeedsErrorFeedback();
  plan.error_feedback = candidate.error_feedback;
  TERN_ASSIGN_OR_RETURN(candidate.cost, DeviceCost(plan, 0));
  TERN_ASSIGN_OR_RETURN(const MemoryReport memory, DescribeDeviceMemory(plan, 0));
  candidate.largest_items = LargestItems(memory.Items(), kNamedItems);

  TERN_ASSIGN_OR_RETURN(const PlanBytes bytes, CountPlanBytes(plan, plan_codec));
  candidate.bytes_down = ChunkedBytes(bytes.model, /*with_lease_id=*/false);
  candidate.bytes_up = ChunkedBytes(bytes.update, /*with_lease_id=*/true);
  candidate.update_bytes = bytes.update;
  candidate.state_bytes = bytes.state();
  return candidate;
}

int64_t Planner::MaxUpdateBytes() const {
  int64_t longest = 0;
  for (const Candidate& candidate : candidates_) {
    longest = std::max(longest, candidate.update_bytes);
  }
  return longest;
}

std::variant<PlanChoice, Refusal> Planner::Choose(const CheckInRequest& request) const {
  const Device device(request);
  const Candidate* shortened = nullptr;  // the first that fits with fewer steps
  int64_t steps = 0;
  for (const Candidate& candidate : candidates_) {
    if (!device.CanExecute(candidate) || !device.HasMemory(candidate) ||
        !device.HasStorage(candidate)) {
      continue;
    }
    const TrainOptions whole = TrainWith(candidate, 0);
    const double affordable = AffordableFlops(candidate, device);
    if (affordable >= TrainingFlops(candidate, whole, device)) {
      return MakeChoice(candidate, whole, device);
    }
    const double for_steps =
        affordable - StartFlops(candidate.cost, candidate.train, device.num_examples);
    if (shortened != nullptr || min_local_steps_ == 0 || for_steps <= 0.0) continue;
    const auto examples =
        static_cast<int64_t>(for_steps / static_cast<double>(candidate.cost.training_flops));
    steps = StepsWithin(examples, device.num_examples, candidate.train.batch_size);
    if (steps >= min_local_steps_) shortened = &candidate;
  }
  if (shortened == nullptr) return Refuse(device);
  return MakeChoice(*shortened, TrainWith(*shortened, steps), device);
}

TrainOptions Planner::TrainWith(const Candidate& candidate, int64_t steps) {
  TrainOptions train = candidate.train;
  if (steps > 0) train.max_local_steps = steps;
  return train;
}

double Planner::TrainingFlops(const Candidate& candidate, const TrainOptions& train,
                              const Device& device) {
  return static_cast<double>(candidate.cost.training_flops) *
             static_cast<double>(ExamplesTrained(train, device.num_examples)) +
         StartFlops(candidate.cost, train, device.num_examples);
}

RoundEstimate Planner::Estimate(const Candidate& candidate, double flops, const Device& device) {
  const Capabilities& capabilities = device.capabilities;
  const auto down = static_cast<double>(candidate.bytes_down);
  const auto up = static_cast<double>(candidate.bytes_up);
  const auto transfer_time = [&](double bytes, double bytes_per_second) {
    return capabilities.round_trip + absl::Seconds(Quotient(bytes, bytes_per_second));
  };
  return {.peak_bytes = device.PeakBytes(candidate),
          .flops = flops,
          .bytes_down = candidate.bytes_down,
          .bytes_up = candidate.bytes_up,
          .download_time = transfer_time(down, capabilities.downlink_bytes_per_second),
          .train_time = absl::Seconds(Quotient(flops, capabilities.flops_per_second)),
          .upload_time = transfer_time(up, capabilities.uplink_bytes_per_second),
          .energy_j = capabilities.joules_per_flop * flops +
                      capabilities.joules_per_byte_down * down +
                      capabilities.joules_per_byte_up * up};
}

double Planner::AffordableFlops(const Candidate& candidate, const Device& device) const {
  const Capabilities& capabilities = device.capabilities;
  const RoundEstimate transfers = Estimate(candidate, 0.0, device);
  const double time_s =
      absl::ToDoubleSeconds(kShareOfDeadline * deadline_ - transfers.total_time());
  const double energy_j = capabilities.battery_joules > 0.0
                              ? capabilities.battery_joules - transfers.energy_j
                              : std::numeric_limits<double>::infinity();
  if (time_s < 0.0 || energy_j < 0.0) return -1.0;
  double flops = std::numeric_limits<double>::infinity();
  if (capabilities.flops_per_second > 0.0) flops = time_s * capabilities.flops_per_second;
  if (capabilities.joules_per_flop > 0.0) {
    flops = std::min(flops, energy_j / capabilities.joules_per_flop);
  }
  return flops;
}

PlanChoice Planner::MakeChoice(const Candidate& candidate, const TrainOptions& train,
                               const Device& device) {
  return {.width_index = candidate.width_index,
          .width = candidate.width,
          .codec = candidate.codec,
          .train = train,
          .error_feedback = candidate.error_feedback,
          .estimate = Estimate(candidate, TrainingFlops(candidate, train, device), device)};
}

std::string Planner::Describe(const Candidate& candidate) {
  const TrainOptions& train = candidate.train;
  std::string text = absl::StrCat("width ", candidate.width, ", batch size ", train.batch_size);
  if (train.micro_batch_size > 0 && train.micro_batch_size < train.batch_size) {
    absl::StrAppend(&text, " in micro-batches of ", train.micro_batch_size);
  }
  if (train.memory == MemoryMode::kSmall) absl::StrAppend(&text, ", small memory");
  return absl::StrCat(text, ", codec '", candidate.codec, "'");
}

Refusal Planner::Refuse(const Device& device) const {
  const Candidate* smallest = nullptr;     // of those that the device can execute
  const Candidate* least_state = nullptr;  // of those that fit its memory, too
  const Candidate* fastest = nullptr;      // of those that fit its storage, too
  const auto time_and_energy = [&](const Candidate& candidate) {
    const TrainOptions train = TrainWith(candidate, min_local_steps_);
    const RoundEstimate estimate =
        Estimate(candidate, TrainingFlops(candidate, train, device), device);
    return std::pair(estimate.total_time(), estimate.energy_j);
  };
  for (const Candidate& candidate : candidates_) {
    if (!device.CanExecute(candidate)) continue;
    if (smallest == nullptr || device.PeakBytes(candidate) < device.PeakBytes(*smallest)) {
      smallest = &candidate;
    }
    if (!device.HasMemory(candidate)) continue;
    if (least_state == nullptr || candidate.state_bytes < least_state->state_bytes) {
      least_state = &candidate;
    }
    if (!device.HasStorage(candidate)) continue;
    if (fastest == nullptr || time_and_energy(candidate) < time_and_energy(*fastest)) {
      fastest = &candidate;
    }
  }
  if (fastest != nullptr) return RefuseSlow(*fastest, device);
  if (smallest == nullptr) return RefuseIncapable(device);
  if (least_state == nullptr) return RefuseSmall(*smallest, device);
  return {.reason = RefusalReason::kDeviceTooSmall,
          .message = absl::StrCat("the smallest plan (", Describe(*least_state), ") needs ",
                                  least_state->state_bytes, " bytes of storage, the device offers ",
                                  device.capabilities.storage_bytes)};
}

Refusal Planner::RefuseSmall(const Candidate& smallest, const Device& device) {
  const int64_t needed = device.PeakBytes(smallest);
  const int64_t offered = device.capabilities.ram_bytes;
  std::vector<MemoryItem> items = smallest.largest_items;
  items.push_back({"order of the examples", device.OrderBytes()});
  return {.reason = RefusalReason::kDeviceTooSmall,
          .message = absl::StrCat(
              "the smallest plan (", Describe(smallest), ") needs ", needed,
              " bytes of memory, the device offers ", offered, ", ", needed - offered,
              " too few: ", MemoryItemsText(LargestItems(std::move(items), kNamedItems)))};
}

Refusal Planner::RefuseIncapable(const Device& device) const {
  std::vector<std::string> problems;
  for (const Candidate& candidate : candidates_) {
    std::string problem;
    if (const LayerKind* kind =
            FirstLacking(device.capabilities.layer_kinds, candidate.layer_kinds)) {
      problem = absl::StrCat("it cannot train layers of kind ", LayerKindName(*kind));
    } else {
      problem = absl::StrCat("it lacks stage '",
                             *FirstLacking(device.capabilities.codecs, candidate.stages),
                             "' of codec '", candidate.codec, "'");
    }
    if (std::find(problems.begin(), problems.end(), problem) == problems.end()) {
      problems.push_back(std::move(problem));
    }
  }
  return {.reason = RefusalReason::kNotCapable,
          .message = absl::StrCat("the device can execute no plan of the task: ",
                                  absl::StrJoin(problems, "; "))};
}

Refusal Planner::RefuseSlow(const Candidate& fastest, const Device& device) const {
  const TrainOptions train = TrainWith(fastest, min_local_steps_);
  const RoundEstimate estimate = Estimate(fastest, TrainingFlops(fastest, train, device), device);
  std::string message = absl::StrCat("the fastest plan (", Describe(fastest));
  if (train.max_local_steps > 0) {
    absl::StrAppend(&message, ", ", train.max_local_steps, " steps");
  }
  absl::StrAppend(&message, ") takes ", Seconds(estimate.total_time()), " of the ",
                  Seconds(kShareOfDeadline * deadline_), " that it may take (", kShareOfDeadline,
                  " of the deadline)");
  if (device.capabilities.battery_joules > 0.0) {
    absl::StrAppendFormat(&message, " and %.4g J of the %.4g J that the device offers",
                          estimate.energy_j, device.capabilities.battery_joules);
  }
  return {.reason = RefusalReason::kTooSlow, .message = std::move(message)};
}

}  // namespace tern::server
