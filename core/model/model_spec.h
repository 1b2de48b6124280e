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
  kDense = 1,  // [N, in] -> [N, units]
  // [N, c, h, w] -> [N, units, h', w'], h' = (h + 2 padding - dilation (kernel - 1) - 1) / stride +
  // 1; output channels of a group read the c / groups input channels of that group.
  kConv2d = 2,
  kMaxPool2d = 3,        // [N, c, h, w] -> [N, c, h', w'], windows wholly inside
  kRelu = 4,             // any shape
  kFlatten = 5,          // [N, ...] -> [N, product]
  kScale = 6,            // any shape; times factor
  kAvgPool2d = 7,        // as kMaxPool2d, the mean of each window
  kGlobalAvgPool2d = 8,  // [N, c, h, w] -> [N, c], the mean of each plane
  kRelu6 = 9,            // any shape; min(max(x, 0), 6)
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
  int64_t units = 0;     // dense: outputs; conv2d: output channels
  int64_t kernel = 0;    // conv2d, max_pool2d, avg_pool2d: side of the square window
  int64_t stride = 1;    // conv2d, max_pool2d, avg_pool2d
  int64_t padding = 0;   // conv2d: zeros on each side
  float factor = 0.0f;   // scale: finite, not 0
  int64_t groups = 1;    // conv2d: divides input and output channels
  int64_t dilation = 1;  // conv2d: distance between neighbours of a window

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
// A dilated window is large without having many elements, and its padding with it.
inline constexpr int64_t kMaxDilation = 1024;

// The output shape of every layer, in order. The last layer must give [N, classes]: its outputs are
// the logits of softmax cross-entropy. INVALID_ARGUMENT names the layer, what it expected and what
// it got. Every layer's output must be read by exactly one other, but the last's.
absl::StatusOr<std::vector<Shape>> InferShapes(const ModelSpec& spec);

}  // namespace tern

#endif  // TERN_CORE_MODEL_MODEL_SPEC_H_
