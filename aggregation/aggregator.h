// An aggregator turns many updates into one step. It is algebra: accumulate updates, merge with
// another that accumulated others, report at the end. Any split of the updates over aggregators,
// merged in any order, reports the same bits.
//
// Call order: (Accumulate | Merge)* Report. Not thread-safe: one thread accumulates into one
// aggregator.
#ifndef TERN_AGGREGATION_AGGREGATOR_H_
#define TERN_AGGREGATION_AGGREGATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "compression/codec.h"
#include "core/model/submodel.h"

namespace tern::aggregation {

// What bounds the sums of a task, known when it is created.
struct AggregatorLimits {
  int64_t count = 0;  // coordinates
  float max_update_abs =
      16.0f;  // no update holds a larger magnitude: the codec's Validate refuses it
  int64_t max_total_weight = 0;  // largest sum of weights of one round
};

// An update as it came. Views.
struct EncodedUpdate {
  const compression::Decoder& decoder;
  absl::string_view payload;
  const compression::CodecContext& context;
};

class Aggregator {
 public:
  virtual ~Aggregator() = default;

  // Adds `weight` times the update. It was validated against the limits, so that this cannot fail
  // half-way. weight > 0. `coordinates`: which of the model's
  // the update holds; null: all. Updates of one submodel share one CoordinateSet: sets are told
  // apart by their address.
  virtual void Accumulate(const EncodedUpdate& update, int64_t weight,
                          const std::shared_ptr<const CoordinateSet>& coordinates) = 0;
  // Takes over what `other`, made by the same call of MakeAggregator, has accumulated.
  virtual void Merge(Aggregator&& other) = 0;
  virtual int64_t num_updates() const = 0;
  // The aggregate, `count` floats; 0 for a coordinate that no update holds. FAILED_PRECONDITION if
  // nothing was accumulated.
  virtual absl::StatusOr<std::vector<float>> Report() && = 0;
};

// The table of aggregators by name ("mean"). INVALID_ARGUMENT: unknown name (lists those that
// exist), or limits under which a sum could overflow (shows the arithmetic).
absl::StatusOr<std::unique_ptr<Aggregator>> MakeAggregator(absl::string_view name,
                                                           const AggregatorLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_AGGREGATOR_H_
