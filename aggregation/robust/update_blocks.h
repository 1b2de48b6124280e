// Reads kept updates side by side, strip by strip of the model's coordinates, so that a rule sees
// all updates' values of a coordinate at once while only a strip of each is in memory.
#ifndef TERN_AGGREGATION_ROBUST_UPDATE_BLOCKS_H_
#define TERN_AGGREGATION_ROBUST_UPDATE_BLOCKS_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "aggregation/robust/kept_updates.h"
#include "compression/seek.h"
#include "core/model/submodel.h"

namespace tern::aggregation {

// Strides of strips are multiples of it, and what lies behind a strip's end is 0, so that loops may
// run over whole units.
inline constexpr int64_t kStripUnit = 64;

// Coordinates [begin, begin + size) of all updates.
struct UpdateStrip {
  int64_t begin = 0;
  int64_t size = 0;
  int64_t stride = 0;                 // from one update's to the next; at least `size`
  absl::Span<const float> values;     // (updates, stride); never -0
  absl::Span<const int32_t> holders;  // `size`: how many updates hold each coordinate

  const float* row(size_t update) const {
    return values.data() + static_cast<int64_t>(update) * stride;
  }
};

// A coordinate that an update holds but did not send is 0; one that it does not hold is +infinity.
//
// Memory: strips of as many floats as the model has, or 64 of each update if that is more, and
// half as many bytes as the model for where decoding can begin again; a little more for small
// models. Not thread-safe.
class UpdateBlocks {
 public:
  // `updates`, which are valid, must outlive it; `count` coordinates.
  UpdateBlocks(absl::Span<const KeptUpdate> updates, int64_t count);

  size_t num_updates() const { return sources_.size(); }
  int64_t count() const { return count_; }
  // Most that a strip's stride is.
  int64_t width() const { return width_; }

  // Reads the next strip. Behind the last it returns false, and begins anew at the next call.
  bool Next();
  const UpdateStrip& strip() const { return strip_; }

 private:
  struct Range {
    int64_t begin;
    int64_t end;
  };

  // A coordinate set, to look things up in.
  struct Runs {
    explicit Runs(const CoordinateSet& of);
    // Of full coordinates: which packed ones they have in them.
    Range Packed(const Range& full) const;
    // The first run that ends behind full coordinate `begin`.
    size_t FirstBehind(int64_t begin) const;

    absl::Span<const CoordinateRun> runs;
    std::vector<int64_t> packed_begin;  // of each run

   private:
    int64_t PackedBefore(int64_t full) const;
  };

  struct Source {
    const KeptUpdate* update;
    const Runs* coordinates;  // null: all
    const Runs* mask;         // null: all are sent
    // Points of blocks from `first` on; all, where there is room.
    compression::SeekIndex points;
    int64_t first;
  };

  const Runs* RunsOf(const CoordinateSet* set);
  // Fills `row` with the strip's coordinates of the update.
  void ReadRow(Source& source, const Range& range, float* row);
  void FillHeld(const Source& source, const Range& range, float* row);
  const compression::SeekPoint& PointOf(Source& source, int64_t block);

  const int64_t count_;
  const int64_t width_;
  const int64_t kept_points_;  // of each update
  std::map<const CoordinateSet*, Runs> runs_;
  std::vector<Source> sources_;
  std::vector<float> values_;
  std::vector<int32_t> holders_;
  compression::SeekIndex index_;  // as Decoder::DecodeBlock takes it; one point of it is set
  UpdateStrip strip_;
};

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_UPDATE_BLOCKS_H_
