// What holds for every submodel, for tests.
#ifndef TERN_TESTS_CORE_MODEL_SUBMODEL_CHECKS_H_
#define TERN_TESTS_CORE_MODEL_SUBMODEL_CHECKS_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/engine/aligned_floats.h"
#include "core/engine/program.h"
#include "core/model/parameter_layout.h"
#include "core/model/submodel.h"

namespace tern::testing {

inline std::vector<int64_t> Indices(const CoordinateSet& set) {
  std::vector<int64_t> indices;
  for (const CoordinateRun& run : set.runs) {
    for (int64_t i = run.begin; i < run.begin + run.size; ++i) indices.push_back(i);
  }
  return indices;
}

inline Submodel Make(const ModelSpec& full, const SubmodelOptions& options) {
  return MakeSubmodel(full, options).value();
}

inline void ExpectWellFormed(const Submodel& submodel, const ModelSpec& full) {
  const CoordinateSet& set = submodel.coordinates;
  EXPECT_EQ(set.full_size, MakeParameterLayout(full).value().size);
  EXPECT_EQ(set.size, MakeParameterLayout(submodel.model).value().size);
  int64_t size = 0;
  int64_t end = -1;
  for (const CoordinateRun& run : set.runs) {
    ASSERT_GT(run.begin, end);
    ASSERT_GT(run.size, 0);
    end = run.begin + run.size;
    size += run.size;
  }
  EXPECT_LE(end, set.full_size);
  EXPECT_EQ(size, set.size);
}

// Logits of `count` examples that are the same for every call.
inline std::vector<float> Logits(const ModelSpec& spec, absl::Span<const float> parameters) {
  constexpr int64_t kCount = 4;
  const Program program = Program::Compile(spec, kCount).value();
  AlignedFloats arena = AlignedFloats::Allocate(program.predict_arena_floats()).value();
  std::vector<float> inputs(static_cast<size_t>(kCount * NumElements(spec.input)));
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = std::sin(static_cast<float>(i));
  std::vector<float> logits(static_cast<size_t>(kCount * program.num_classes()));
  program.Predict(parameters, inputs, kCount, arena.span(), absl::MakeSpan(logits));
  return logits;
}

// What a submodel computes is what the full model computes with its scale layers and all
// parameters that are not the submodel's at 0.
inline void ExpectComputesAsTheFullModel(const ModelSpec& full, const SubmodelOptions& options) {
  const Submodel submodel = Make(full, options);
  ExpectWellFormed(submodel, full);
  const std::vector<float> parameters = InitialParameters(MakeParameterLayout(full).value(), 3);
  std::vector<float> packed(static_cast<size_t>(submodel.coordinates.size));
  submodel.coordinates.Pack(parameters, absl::MakeSpan(packed));
  std::vector<float> zeroed(parameters.size(), 0.0f);
  for (const int64_t i : Indices(submodel.coordinates)) {
    zeroed[static_cast<size_t>(i)] = parameters[static_cast<size_t>(i)];
  }
  ModelSpec scaled = submodel.model;
  for (LayerSpec& layer : scaled.layers) {
    for (const LayerSpec& of_full : full.layers) {
      if (of_full.name != layer.name) continue;
      layer.units = of_full.units;
      layer.groups = of_full.groups;
    }
  }
  const std::vector<float> expected = Logits(scaled, zeroed);
  const std::vector<float> got = Logits(submodel.model, packed);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], 1e-5f) << submodel.name << " of " << full.name << " " << i;
  }
}

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_MODEL_SUBMODEL_CHECKS_H_
