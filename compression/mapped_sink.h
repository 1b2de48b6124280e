// The updates of a submodel hold only some of the model's coordinates, packed. This adaptor hands
// them to a sink that knows the full vector's coordinates.
#ifndef TERN_COMPRESSION_MAPPED_SINK_H_
#define TERN_COMPRESSION_MAPPED_SINK_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "compression/codec.h"
#include "core/base/check.h"
#include "core/model/submodel.h"

namespace tern::compression {

// Takes one update of set.size packed coordinates. Not thread-safe.
class MappedSink final : public UpdateSink {
 public:
  // Both must outlive the sink.
  MappedSink(const CoordinateSet& set, UpdateSink& full) : set_(set), full_(full) {
    // Sparse indices have 31 bits; so do those of the largest layout.
    TERN_CHECK(set.full_size <= int64_t{1} << 31);
  }

  // Hands on one block for each run of the set that the block touches.
  void Add(int64_t offset, absl::Span<const float> values) override;
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override;

 private:
  static constexpr size_t kIndicesAtATime = 512;

  // Makes `run_` the run that holds packed coordinate `index`. Fast where indices ascend.
  void MoveTo(int64_t index);

  const CoordinateSet& set_;
  UpdateSink& full_;
  size_t run_ = 0;
  int64_t run_begin_ = 0;  // packed coordinate of its first
  std::array<int32_t, kIndicesAtATime> full_indices_;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_MAPPED_SINK_H_
