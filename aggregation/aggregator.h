// An aggregator turns many updates into one step. It is algebra: accumulate updates, merge with
// another that accumulated others, report at the end. Any split of the updates over aggregators,
// merged in any order, also through Serialize and Deserialize, reports the same bits.
//
// Call order: (Deserialize | Accumulate | Merge | Serialize)* Report. Not thread-safe: one thread
// accumulates into one aggregator.
#ifndef TERN_AGGREGATION_AGGREGATOR_H_
#define TERN_AGGREGATION_AGGREGATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "compression/codec.h"
#include "core/model/submodel.h"

namespace tern::aggregation {

// What bounds the sums of a task, known when it is created.
struct AggregatorLimits {
  int64_t count = 0;  // coordinates
  float max_update_abs =
      16.0f;  // no update holds a larger magnitude: the codec's Validate refuses it
  int64_t max_total_weight = 0;  // largest sum of weights of one round
  int64_t max_updates = 1;       // of one round
};

// Which rule, and what the rules take; each looks at its own.
struct AggregatorOptions {
  std::string name = "mean";
  int64_t attackers = 0;    // f: robust rules withstand so many updates that lie
  float trim = 0.0f;        // trimmed_mean: share of the updates cut off at each end; 0: f of them
  int64_t keep = 0;         // multi_krum: updates that are averaged; 0: n - f
  float clip_norm = 10.0f;  // norm_clip, centered_clip: the radius
  int64_t iterations = 0;   // geometric_median, 0: 4; centered_clip, 0: 1
  float smoothing = 1e-5f;  // geometric_median: the least distance that divides
  float fairness = 1.0f;    // qfedavg: q
  float client_learning_rate = 0.05f;  // qfedavg: 1 / L
  bool measure_norms = false;          // Aggregate::mean_squared_norm is wanted; `mean` only
};

// An update as it came. Views.
struct EncodedUpdate {
  const compression::Decoder& decoder;
  absl::string_view payload;
  const compression::CodecContext& context;
  absl::string_view codec =
      {};  // what the decoder was made from; Serialize of updates kept needs it
};

// What counts about an update besides its values.
struct UpdateFacts {
  uint64_t id = 0;          // of whom it is; no other update of the round has it
  int64_t weight = 1;       // > 0
  double steps_norm = 1.0;  // fednova: FedNovaStepsNorm (mean.h); >= 1
  double start_loss =
      1.0;  // qfedavg: mean loss of the round's model on the client's examples; >= 0
};

struct Aggregate {
  std::vector<float> values;  // `count`; 0 for a coordinate that no update holds
  int64_t num_updates = 0;
  // Of the updates, weighted as they are; 0 unless measured.
  double mean_squared_norm = 0.0;
};

// What a rule is told when it reports, besides the updates; empty where the rule needs none.
struct ReportInputs {
  absl::Span<const float> previous;   // centered_clip: the last round's aggregate; empty: zero
  absl::Span<const float> reference;  // fltrust: the update that the coordinator trained itself
};

class Aggregator {
 public:
  virtual ~Aggregator() = default;

  // Adds an update. It was validated against the limits, so that this cannot fail half-way. Where
  // ReadsUpdatesBack, all that `update` names must stay as it is until the aggregator has reported
  // or is gone. `coordinates`: which of the model's the update holds; null: all.
  virtual void Accumulate(const EncodedUpdate& update, const UpdateFacts& facts,
                          const std::shared_ptr<const CoordinateSet>& coordinates) = 0;
  // Takes over what `other`, made by the same call of MakeAggregator, has accumulated.
  virtual void Merge(Aggregator&& other) = 0;
  // FAILED_PRECONDITION if nothing was accumulated, or too few updates for the rule.
  virtual absl::StatusOr<Aggregate> Report(const ReportInputs& inputs) && = 0;

  // What was accumulated, as bytes for an aggregator made by the same call of MakeAggregator in
  // another process. The same bytes for the same updates in any order.
  virtual std::string Serialize() const = 0;
  // Into an aggregator that has accumulated nothing; what is merged later must be of the same
  // round, and of no more weight with it than the limits say. DATA_LOSS: not what Serialize gave,
  // or of other options or limits; it then still holds nothing.
  virtual absl::Status Deserialize(absl::string_view bytes) = 0;
};

// The table of aggregators, by name:
//
//   mean              weighted mean, exact (mean.h)
//   norm_clip         of updates scaled down to clip_norm
//   fednova           of updates divided by their steps (mean.h)
//   qfedavg           weighted by loss^q (mean.h)
//   median            of each coordinate (robust/coordinate_rules.h)
//   trimmed_mean      of each coordinate, without the largest and smallest
//   krum, multi_krum  the updates nearest to their neighbours (robust/krum.h)
//   bulyan            coordinate-wise, of those that krum selects (robust/bulyan.h)
//   geometric_median  by Weiszfeld's iterations (robust/geometric_median.h)
//   centered_clip     differences to the last aggregate clipped (robust/centered_clip.h)
//   fltrust           weighted by likeness to an update of the coordinator's own (robust/fltrust.h)
//
// INVALID_ARGUMENT: unknown name (lists those that exist), an option out of range, more attackers
// than the rule withstands ("krum needs n >= 2f + 3: n = 6, f = 2"), or limits under which a sum
// could overflow (shows the arithmetic).
absl::StatusOr<std::unique_ptr<Aggregator>> MakeAggregator(const AggregatorOptions& options,
                                                           const AggregatorLimits& limits);

// Of a name in the table: whether updates must stay until it reports; else each is consumed as it
// is accumulated.
bool ReadsUpdatesBack(absl::string_view name);
// Whether the rule takes updates that hold some of the model's coordinates only.
bool TakesSubmodels(absl::string_view name);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_AGGREGATOR_H_
