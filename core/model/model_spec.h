// A model's structure: a small graph of named layers. A ModelSpec is plain data that anybody may
// have written; InferShapes tells whether it is a model, and layer by layer what comes out.
#ifndef TERN_CORE_MODEL_MODEL_SPEC_H_
#define TERN_CORE_MODEL_MODEL_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/shape.h"

namespace tern {

// Persisted and sent by these numbers: never renumber, only append.
enum class LayerKind : int32_t {
  kDense = 1,   // [N, in] -> [N, units]
  kConv2d = 2,  // [N, c, h, w] -> [N, channels, h', w'], h' = (h + 2 padding - kernel) / stride + 1
  kMaxPool2d = 3,  // [N, c, h, w] -> [N, c, h', w'], windows wholly inside
  kRelu = 4,       // any shape
  kFlatten = 5,    // [N, ...] -> [N, product]
  kScale = 6,      // any shape; times factor
};

// "dense", "conv2d", ...: the names used in files and messages; "unknown" for a value outside the
// enumeration.
absl::string_view LayerKindName(LayerKind kind);

struct LayerSpec {
  std::string name;  // unique in the model, not empty
  LayerKind kind = LayerKind::kDense;
  // The layer whose output this one reads; empty: the layer before, or the model's input for the
  // first.
  std::string input;
  // The name that its parameters go by; empty: the layer's own. Layers that say the same name share
  // them.
  std::string parameters;
  int64_t units = 0;    // dense: outputs; conv2d: output channels
  int64_t kernel = 0;   // conv2d, max_pool2d: side of the square window
  int64_t stride = 1;   // conv2d, max_pool2d
  int64_t padding = 0;  // conv2d: zeros on each side
  float factor = 0.0f;  // scale: finite, not 0

  bool operator==(const LayerSpec&) const = default;
};

struct ModelSpec {
  std::string name;
  Shape input;                    // of one example
  std::vector<LayerSpec> layers;  // in an order in which each reads an earlier one

  bool operator==(const ModelSpec&) const = default;
};

// Bounds on models from outside, so that no arithmetic on them overflows.
inline constexpr int64_t kMaxDimension = int64_t{1} << 20;
inline constexpr int64_t kMaxElements = int64_t{1} << 31;
inline constexpr int64_t kMaxLayers = 1024;

// The output shape of every layer, in order. The last layer must give [N, classes]: its outputs are
// the logits of softmax cross-entropy. INVALID_ARGUMENT names the layer, what it expected and what
// it got. Every layer's output must be read by exactly one other, but the last's.
absl::StatusOr<std::vector<Shape>> InferShapes(const ModelSpec& spec);

}  // namespace tern

#endif  // TERN_CORE_MODEL_MODEL_SPEC_H_
