#include "core/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace tern {
namespace {

using ::testing::ElementsAre;

// Example i is the pair {i, -i} with label i % 5.
class CountingDataset final : public Dataset {
 public:
  int64_t size() const override { return 1000; }
  const Shape& example_shape() const override { return shape_; }
  int64_t num_classes() const override { return 5; }
  int32_t label(int64_t) const override { return 0; }
  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override {
    ASSERT_EQ(inputs.size(), 2 * indices.size());
    ASSERT_EQ(labels.size(), indices.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      inputs[2 * i] = static_cast<float>(indices[i]);
      inputs[2 * i + 1] = -static_cast<float>(indices[i]);
      labels[i] = indices[i] % 5;
    }
  }

 private:
  Shape shape_ = {2};
};

TEST(DatasetView, HasTheShapeOfItsBaseAndTheSizeOfItsIndices) {
  const CountingDataset base;
  const std::vector<int32_t> indices = {3, 3, 999};
  const DatasetView view(&base, indices);
  EXPECT_EQ(view.size(), 3);
  EXPECT_THAT(view.example_shape(), ElementsAre(2));
  EXPECT_EQ(view.num_classes(), 5);
}

TEST(DatasetView, Gather_TranslatesIndices) {
  const CountingDataset base;
  const std::vector<int32_t> indices = {30, 7, 999};
  const DatasetView view(&base, indices);
  std::vector<float> inputs(6);
  std::vector<int32_t> labels(3);
  view.Gather({2, 0, 2}, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  EXPECT_THAT(inputs, ElementsAre(999, -999, 30, -30, 999, -999));
  EXPECT_THAT(labels, ElementsAre(4, 0, 4));
}

// Sizes around those of the blocks that indices are translated in.
TEST(DatasetView, Gather_AnyNumberOfExamples) {
  const CountingDataset base;
  std::vector<int32_t> reversed(1000);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  const DatasetView view(&base, reversed);
  std::vector<int32_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  for (const size_t count : {0, 1, 127, 128, 129, 256, 1000}) {
    std::vector<float> inputs(2 * count);
    std::vector<int32_t> labels(count);
    view.Gather(absl::MakeConstSpan(all).first(count), absl::MakeSpan(inputs),
                absl::MakeSpan(labels));
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(inputs[2 * i], static_cast<float>(999 - i));
      ASSERT_EQ(labels[i], static_cast<int32_t>(999 - i) % 5);
    }
  }
}

TEST(DatasetView, OfAView_TranslatesTwice) {
  const CountingDataset base;
  const std::vector<int32_t> outer_indices = {1, 0};
  const std::vector<int32_t> inner_indices = {500, 501, 502};
  const DatasetView inner(&base, inner_indices);
  const DatasetView outer(&inner, outer_indices);
  std::vector<float> inputs(4);
  std::vector<int32_t> labels(2);
  outer.Gather({0, 1}, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  EXPECT_THAT(labels, ElementsAre(1, 0));
}

}  // namespace
}  // namespace tern
