// A small dataset in memory: given examples, or generated ones that a model can learn.
#ifndef TERN_TESTS_TESTING_FAKE_DATASET_H_
#define TERN_TESTS_TESTING_FAKE_DATASET_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "core/data/dataset.h"

namespace tern::testing {

class FakeDataset final : public Dataset {
 public:
  // `inputs` holds labels.size() examples one after the other.
  FakeDataset(Shape example_shape, int64_t num_classes, std::vector<float> inputs,
              std::vector<int32_t> labels)
      : example_shape_(std::move(example_shape)),
        num_classes_(num_classes),
        inputs_(std::move(inputs)),
        labels_(std::move(labels)) {
    TERN_CHECK(inputs_.size() == labels_.size() * ExampleFloats());
  }

  // Each class has a random pattern in [0, 1); an example is the pattern of its class, mixed with
  // as much noise. A function of the arguments alone.
  static FakeDataset Random(const Shape& example_shape, int64_t num_classes, int64_t size,
                            uint64_t seed = 1) {
    RandomStream random({.seed = seed});
    const auto floats = static_cast<size_t>(NumElements(example_shape));
    std::vector<float> patterns(static_cast<size_t>(num_classes) * floats);
    for (float& value : patterns) value = random.NextFloat();
    std::vector<float> inputs;
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < size; ++i) {
      const uint32_t label = random.Below(static_cast<uint32_t>(num_classes));
      labels.push_back(static_cast<int32_t>(label));
      for (size_t j = 0; j < floats; ++j) {
        inputs.push_back(0.5f * (patterns[label * floats + j] + random.NextFloat()));
      }
    }
    return FakeDataset(example_shape, num_classes, std::move(inputs), std::move(labels));
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const Shape& example_shape() const override { return example_shape_; }
  int64_t num_classes() const override { return num_classes_; }
  int32_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }

  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override {
    const size_t floats = ExampleFloats();
    TERN_CHECK(inputs.size() == indices.size() * floats && labels.size() == indices.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      const auto index = static_cast<size_t>(indices[i]);
      TERN_CHECK(index < labels_.size());
      std::copy_n(inputs_.begin() + static_cast<std::ptrdiff_t>(index * floats), floats,
                  inputs.begin() + static_cast<std::ptrdiff_t>(i * floats));
      labels[i] = labels_[index];
    }
  }

 private:
  size_t ExampleFloats() const { return static_cast<size_t>(NumElements(example_shape_)); }

  Shape example_shape_;
  int64_t num_classes_;
  std::vector<float> inputs_;
  std::vector<int32_t> labels_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_FAKE_DATASET_H_
