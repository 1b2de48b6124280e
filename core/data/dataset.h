// Examples with labels, read by index. A Dataset is immutable and may be read from any number of
// threads.
#ifndef TERN_CORE_DATA_DATASET_H_
#define TERN_CORE_DATA_DATASET_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "core/base/shape.h"

namespace tern {

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;
  virtual const Shape& example_shape() const = 0;
  virtual int64_t num_classes() const = 0;
  // The class of the example `index`, in [0, size()).
  virtual int32_t label(int64_t index) const = 0;

  // Copies the examples `indices` (each in [0, size())) one after the other: indices.size() *
  // NumElements(example_shape()) floats into `inputs`, indices.size() class indices into `labels`.
  virtual void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
                      absl::Span<int32_t> labels) const = 0;
};

// The examples `indices` of another dataset, in that order: one client's shard of a shared copy.
class DatasetView final : public Dataset {
 public:
  // `base`, and what `indices` points to, must outlive the view. Indices are in [0, base->size()).
  DatasetView(const Dataset* base, absl::Span<const int32_t> indices);

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const Shape& example_shape() const override { return base_->example_shape(); }
  int64_t num_classes() const override { return base_->num_classes(); }
  int32_t label(int64_t index) const override {
    return base_->label(indices_[static_cast<size_t>(index)]);
  }
  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override;

 private:
  const Dataset* base_;
  absl::Span<const int32_t> indices_;
};

}  // namespace tern

#endif  // TERN_CORE_DATA_DATASET_H_
