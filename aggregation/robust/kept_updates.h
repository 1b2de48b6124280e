// The updates that a robust rule keeps until it reports, and their bytes for another process:
//
//   the envelope of sealed_bytes.h, "TERNKEPT", around:
//   u32 coordinate sets; of each: i64 full size, u32 runs, of each: i64 begin, i64 size
//   u32 updates, by ascending id; of each:
//     u64 id, i64 weight, u32 length and text of the codec,
//     u32 coordinates, u32 mask: which set, from 1; 0: none
//     i64 count, u32 tensors, i64 size of each, u64 seed, u64 round, u64 client of the key
//     u64 length and bytes of the payload
#ifndef TERN_AGGREGATION_ROBUST_KEPT_UPDATES_H_
#define TERN_AGGREGATION_ROBUST_KEPT_UPDATES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aggregation/aggregator.h"
#include "compression/codec.h"
#include "core/model/submodel.h"

namespace tern::aggregation {

struct KeptUpdate {
  uint64_t id = 0;
  int64_t weight = 1;
  // Views, as in EncodedUpdate.
  const compression::Decoder* decoder = nullptr;
  absl::string_view payload;
  absl::string_view codec;
  compression::CodecContext context;
  std::shared_ptr<const CoordinateSet> coordinates;  // null: all
};

// Not thread-safe.
class KeptUpdates {
 public:
  // Of a rule that takes submodels or not. `options` and `limits` bound what Deserialize takes.
  KeptUpdates(const AggregatorOptions& options, const AggregatorLimits& limits,
              bool takes_submodels);
  ~KeptUpdates();

  void Add(const EncodedUpdate& update, const UpdateFacts& facts,
           const std::shared_ptr<const CoordinateSet>& coordinates);
  // `other` is of the same options and limits; it is empty then.
  void Merge(KeptUpdates&& other);
  void Clear();

  // By ascending id. Valid until the next call that is not const. FAILED_PRECONDITION: more than
  // the limits say, or two of one id, as lists that were read may bring together.
  absl::StatusOr<absl::Span<const KeptUpdate>> Sorted();

  std::string Serialize() const;
  // Into an empty list, which owns what it read. DATA_LOSS: not what Serialize gave, or of other
  // options or limits; the list stays empty.
  absl::Status Deserialize(absl::string_view bytes);

 private:
  struct Owned;  // what the views of a Deserialize show
  struct Terms {
    int64_t count;
    float max_update_abs;
    int64_t max_updates;
    bool takes_submodels;
    uint32_t fingerprint;  // of all options and limits

    bool operator==(const Terms&) const = default;
  };
  class Reader;

  const Terms terms_;
  std::vector<KeptUpdate> updates_;
  std::vector<std::unique_ptr<const Owned>> owned_;
};

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_KEPT_UPDATES_H_
