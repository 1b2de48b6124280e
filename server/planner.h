// Picks a device's plan: the fullest one that fits in its memory and can be done before the round's
// deadline and with its energy, all known before anything is sent.
//
// Candidates are tried in this order, and the first that fits is taken: whole epochs before fewer
// steps, then wide before narrow, then codecs in the order that the task lists them, then large
// batches before small ones, then micro-batches and memory modes in the order that the task lists
// them. What a device does not declare does not limit it.
#ifndef TERN_SERVER_PLANNER_H_
#define TERN_SERVER_PLANNER_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/model/cost.h"
#include "core/model/model_spec.h"
#include "core/model/submodel.h"
#include "core/train/memory_report.h"
#include "core/wire/messages.h"
#include "server/task.h"

namespace tern::server {

// What a round costs a device. Times are zero and energy is 0 where the device does not declare
// what they depend on.
struct RoundEstimate {
  int64_t peak_bytes = 0;  // of memory, the order of its examples included
  double flops = 0.0;      // of local training
  int64_t bytes_down = 0;  // of the model, as chunks
  int64_t bytes_up = 0;    // of the update, as chunks, at most
  absl::Duration download_time;
  absl::Duration train_time;
  absl::Duration upload_time;
  double energy_j = 0.0;

  absl::Duration total_time() const { return download_time + train_time + upload_time; }
};

struct PlanChoice {
  size_t width_index = 0;  // in Task::adapt.widths
  double width = 1.0;
  std::string codec;
  TrainOptions train;
  bool error_feedback = false;
  RoundEstimate estimate;
};

// Immutable; any number of threads may use it.
class Planner {
 public:
  // `task` as ValidateTask accepted it. INVALID_ARGUMENT: the engine cannot train a submodel.
  static absl::StatusOr<Planner> Create(const Task& task);

  // The device's plan, or why there is none, with the numbers: DEVICE_TOO_SMALL names the least
  // memory that any plan takes and the largest of what it is made of, TOO_SLOW the time and the
  // energy of the fastest; NOT_CAPABLE what the device cannot encode or train. A pure function of
  // the task and the request.
  std::variant<PlanChoice, Refusal> Choose(const CheckInRequest& request) const;

  // Of the longest update of any plan, without metrics.
  int64_t MaxUpdateBytes() const;

  // The part of the round's deadline that a plan may take: a member may come for its lease up to a
  // quarter of the deadline after the round opened.
  static constexpr double kShareOfDeadline = 0.75;

 private:
  // What does not depend on the device.
  struct Candidate {
    size_t width_index = 0;
    double width = 1.0;
    std::string codec;
    std::vector<std::string> stages;  // of the codec
    std::vector<LayerKind> layer_kinds;
    TrainOptions train;                     // whole epochs
    Cost cost;                              // its memory without the examples' order
    std::vector<MemoryItem> largest_items;  // of that memory
    int64_t bytes_down = 0;                 // with chunks
    int64_t bytes_up = 0;
    int64_t update_bytes = 0;  // at most, without metrics
    int64_t state_bytes = 0;   // on the device between rounds
    bool error_feedback = false;
  };
  // What the request says about the device, within bounds.
  struct Device;
  Planner() = default;

  static absl::StatusOr<Candidate> MakeCandidate(const Task& task, const Submodel& submodel,
                                                 const std::string& codec,
                                                 const TrainOptions& train);
  // The candidate's training; `steps`: 0 for whole epochs.
  static TrainOptions TrainWith(const Candidate& candidate, int64_t steps);
  static double TrainingFlops(const Candidate& candidate, const TrainOptions& train,
                              const Device& device);
  static RoundEstimate Estimate(const Candidate& candidate, double flops, const Device& device);
  // What the device can compute before the deadline and with its energy, less what the transfers
  // take; negative: not even those fit.
  double AffordableFlops(const Candidate& candidate, const Device& device) const;
  static PlanChoice MakeChoice(const Candidate& candidate, const TrainOptions& train,
                               const Device& device);
  static std::string Describe(const Candidate& candidate);
  // Why no candidate fits.
  Refusal Refuse(const Device& device) const;
  static Refusal RefuseSmall(const Candidate& smallest, const Device& device);
  Refusal RefuseIncapable(const Device& device) const;
  Refusal RefuseSlow(const Candidate& fastest, const Device& device) const;

  int64_t min_local_steps_ = 0;
  absl::Duration deadline_;
  std::vector<Candidate> candidates_;  // in the order in which they are tried
};

}  // namespace tern::server

#endif  // TERN_SERVER_PLANNER_H_
