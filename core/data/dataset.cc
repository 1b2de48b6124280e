#include "core/data/dataset.h"

#include <algorithm>
#include <array>

namespace tern {

DatasetView::DatasetView(const Dataset* base, absl::Span<const int32_t> indices)
    : base_(base), indices_(indices) {}

// Indices are translated a block at a time on the stack: reading a batch allocates nothing.
void DatasetView::Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
                         absl::Span<int32_t> labels) const {
  std::array<int32_t, 128> block;
  const auto example_size = static_cast<size_t>(NumElements(example_shape()));
  for (size_t start = 0; start < indices.size(); start += block.size()) {
    const size_t count = std::min(block.size(), indices.size() - start);
    for (size_t i = 0; i < count; ++i) {
      block[i] = indices_[static_cast<size_t>(indices[start + i])];
    }
    base_->Gather(absl::MakeConstSpan(block.data(), count),
                  inputs.subspan(start * example_size, count * example_size),
                  labels.subspan(start, count));
  }
}

}  // namespace tern
