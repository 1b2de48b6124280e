#include "compression/dense_sinks.h"

#include <cstring>

#include "core/base/check.h"

namespace tern::compression {

void DenseSink::Add(int64_t offset, absl::Span<const float> values) {
  TERN_CHECK(offset >= 0 && static_cast<size_t>(offset) <= out_.size() &&
             values.size() <= out_.size() - static_cast<size_t>(offset));
  if (values.empty()) return;
  std::memcpy(out_.data() + offset, values.data(), values.size() * sizeof(float));
}

void DenseSink::AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) {
  for (size_t i = 0; i < indices.size(); ++i) {
    TERN_CHECK(indices[i] >= 0 && static_cast<size_t>(indices[i]) < out_.size());
    out_[static_cast<size_t>(indices[i])] = values[i];
  }
}

void SubtractSink::Add(int64_t offset, absl::Span<const float> decoded) {
  float* const target = values_.data() + offset;
  for (size_t i = 0; i < decoded.size(); ++i) target[i] -= decoded[i];
}

void SubtractSink::AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> decoded) {
  for (size_t i = 0; i < indices.size(); ++i) {
    values_[static_cast<size_t>(indices[i])] -= decoded[i];
  }
}

}  // namespace tern::compression
