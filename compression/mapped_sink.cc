#include "compression/mapped_sink.h"

#include <algorithm>

#include "core/base/check.h"

namespace tern::compression {

void MappedSink::Add(int64_t offset, absl::Span<const float> values) {
  TERN_CHECK(offset >= 0 && static_cast<int64_t>(values.size()) <= set_.size - offset);
  while (!values.empty()) {
    MoveTo(offset);
    const CoordinateRun& run = set_.runs[run_];
    const int64_t into_run = offset - run_begin_;
    const int64_t count = std::min(static_cast<int64_t>(values.size()), run.size - into_run);
    full_.Add(run.begin + into_run, values.first(static_cast<size_t>(count)));
    values.remove_prefix(static_cast<size_t>(count));
    offset += count;
  }
}

void MappedSink::AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) {
  while (!indices.empty()) {
    const size_t count = std::min(indices.size(), full_indices_.size());
    for (size_t i = 0; i < count; ++i) {
      TERN_CHECK(indices[i] >= 0 && indices[i] < set_.size);
      MoveTo(indices[i]);
      full_indices_[i] = static_cast<int32_t>(set_.runs[run_].begin + (indices[i] - run_begin_));
    }
    full_.AddSparse(absl::MakeSpan(full_indices_).first(count), values.first(count));
    indices.remove_prefix(count);
    values.remove_prefix(count);
  }
}

void MappedSink::MoveTo(int64_t index) {
  if (index < run_begin_) {
    run_ = 0;
    run_begin_ = 0;
  }
  while (index - run_begin_ >= set_.runs[run_].size) {
    run_begin_ += set_.runs[run_].size;
    ++run_;
  }
}

}  // namespace tern::compression
