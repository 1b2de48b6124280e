// Submodels: the part of a model that a weak device trains. A submodel keeps a share of the
// channels of each hidden layer, re-packed into a really smaller model; the device trains it like
// any other and does not know the full one. The coordinator knows which coordinates of the full
// vector the submodel's are.
#ifndef TERN_CORE_MODEL_SUBMODEL_H_
#define TERN_CORE_MODEL_SUBMODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/model/model_spec.h"

namespace tern {

// Coordinates [begin, begin + size) of the full vector.
struct CoordinateRun {
  int64_t begin = 0;
  int64_t size = 0;

  bool operator==(const CoordinateRun&) const = default;
};

// Some of the coordinates of a full vector, ascending. Packed, they follow one another without
// gaps, in the same order.
struct CoordinateSet {
  std::vector<CoordinateRun> runs;  // ascending, neither empty nor touching one another
  int64_t size = 0;                 // coordinates in all runs
  int64_t full_size = 0;            // of the full vector

  // packed[i] = full[coordinate i of the set]. Lengths: full_size and size.
  void Pack(absl::Span<const float> full, absl::Span<float> packed) const;
};

enum class SubmodelRule {
  kHeteroFl,  // the first channels (Diao et al. 2021)
  kFedRolex,  // a window that moves on by one channel each round (Alam et al. 2022)
};

// "heterofl", "fedrolex". INVALID_ARGUMENT lists those that exist.
absl::StatusOr<SubmodelRule> ParseSubmodelRule(absl::string_view name);
absl::string_view SubmodelRuleName(SubmodelRule rule);

struct SubmodelOptions {
  SubmodelRule rule = SubmodelRule::kHeteroFl;
  double width = 1.0;  // share of the channels of each hidden layer, above 0, at most 1
  bool scale = true;   // false: without scale layers, a small model of its own
  uint64_t round = 1;  // from 1; the window starts at channel (round - 1) mod channels
};

struct Submodel {
  // Tells coordinate sets of one model apart: "heterofl(0.25)", "fedrolex(0.25, 7)" with the round;
  // empty for width 1.
  std::string name;
  ModelSpec model;
  CoordinateSet coordinates;
};

// Each dense and conv2d layer but the last keeps ceil(width * units) channels, the next one the
// inputs that belong to them, through pooling and flatten. Behind each narrowed layer stands a
// layer of kind scale with factor units / kept units, so that activations are as large as the full
// model's (the Scaler of Diao et al. 2021). A conv2d layer with groups keeps those groups whose
// inputs are kept, whole, and needs no scale layer: it sums no fewer inputs than before. Width 1
// gives the model itself. INVALID_ARGUMENT: as MakeParameterLayout, a width or round out of range,
// a layer that has the name of another's scale layer ("<layer>.scale"), layers that share
// parameters but would keep different channels (both are named), kept inputs that cut a layer's
// groups apart, or a last layer that has groups and would lose some.
absl::StatusOr<Submodel> MakeSubmodel(const ModelSpec& full, const SubmodelOptions& options);

}  // namespace tern

#endif  // TERN_CORE_MODEL_SUBMODEL_H_
