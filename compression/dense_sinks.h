// Sinks that are one vector of floats.
#ifndef TERN_COMPRESSION_DENSE_SINKS_H_
#define TERN_COMPRESSION_DENSE_SINKS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "compression/codec.h"

namespace tern::compression {

// A sink that copies into a dense vector. `out` must outlive it.
class DenseSink final : public UpdateSink {
 public:
  explicit DenseSink(absl::Span<float> out) : out_(out) {}
  void Add(int64_t offset, absl::Span<const float> values) override;
  // Leaves the coordinates that are not named as they are.
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override;

 private:
  absl::Span<float> out_;
};

// Subtracts what is decoded from what is there: with error feedback, what was sent from what was to
// be sent. `values` must outlive it.
class SubtractSink final : public UpdateSink {
 public:
  explicit SubtractSink(absl::Span<float> values) : values_(values) {}
  void Add(int64_t offset, absl::Span<const float> decoded) override;
  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> decoded) override;

 private:
  absl::Span<float> values_;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_DENSE_SINKS_H_
