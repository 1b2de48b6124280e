// What sparsifiers are to a pipeline: they choose which coordinates of an update are sent at all.
#ifndef TERN_COMPRESSION_SPARSIFIER_H_
#define TERN_COMPRESSION_SPARSIFIER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "compression/codec.h"

namespace tern::compression {

// Indices are 32-bit signed integers.
inline constexpr int64_t kMaxSparseCount = 0x7FFFFFFF;

// How many coordinates are kept, at least and at most. Equal: both sides know, and it is not sent.
struct KeptRange {
  int64_t min = 0;
  int64_t max = 0;
};

// The sender's half. Immutable; any number of threads may use one.
class Sparsifier {
 public:
  virtual ~Sparsifier() = default;
  // Besides the indices.
  virtual int64_t ScratchBytes(const CodecContext& context) const = 0;
  // Fills `indices`, room for KeptRange::max, with those that are kept, ascending; returns how
  // many. 1 <= context.count <= kMaxSparseCount. INVALID_ARGUMENT: a value is not finite, by index.
  virtual absl::StatusOr<int64_t> Select(absl::Span<const float> values,
                                         const CodecContext& context, absl::Span<char> scratch,
                                         absl::Span<int32_t> indices) const = 0;
  // Fills `kept` with the values at `indices`.
  virtual void Gather(absl::Span<const float> values, const CodecContext& context,
                      absl::Span<const int32_t> indices, float* kept) const;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_SPARSIFIER_H_
