// The examples of another dataset with labels that lie: classes - 1 - y instead of y.
#ifndef TERN_SIMULATION_ATTACKS_FLIPPED_LABELS_H_
#define TERN_SIMULATION_ATTACKS_FLIPPED_LABELS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/data/dataset.h"

namespace tern::simulation {

class FlippedLabels final : public Dataset {
 public:
  // `base` must outlive it.
  explicit FlippedLabels(const Dataset* base) : base_(base) {}

  int64_t size() const override { return base_->size(); }
  const Shape& example_shape() const override { return base_->example_shape(); }
  int64_t num_classes() const override { return base_->num_classes(); }
  int32_t label(int64_t index) const override { return Flip(base_->label(index)); }
  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override {
    base_->Gather(indices, inputs, labels);
    for (int32_t& label : labels) label = Flip(label);
  }

 private:
  int32_t Flip(int32_t label) const {
    return static_cast<int32_t>(base_->num_classes() - 1 - label);
  }

  const Dataset* base_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ATTACKS_FLIPPED_LABELS_H_
