// The rows of an image's plane, vector by vector: which columns a vector takes, its loads and
// stores at the end of a row, activations on the way out. For files with kernels.

#if defined(TERN_CORE_ENGINE_ROW_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_ROW_VECTORS_INL_H_
#undef TERN_CORE_ENGINE_ROW_VECTORS_INL_H_
#else
#define TERN_CORE_ENGINE_ROW_VECTORS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/engine/activation.h"
#include "core/engine/gemm_blocking.h"
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// First column of the vector that covers `column`. Without masks for loads and stores partial
// vectors are slow: rows end with a whole one that overlaps the one before.
template <class D>
HWY_INLINE int64_t VectorStart(int64_t column, int64_t width) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  if constexpr (!HWY_MEM_OPS_MIGHT_FAULT) return column;
  return std::max(std::min(column, width - kLanes), int64_t{0});
}

template <class D>
HWY_INLINE int64_t LanesInRow(int64_t first, int64_t width) {
  return std::min(static_cast<int64_t>(hn::MaxLanes(D())), width - first);
}

// Partial vectors without masks: rare, and many instructions.
template <class D>
HWY_NOINLINE void StorePart(hn::Vec<D> value, int64_t lanes, float* to) {
  StoreLanes(value, D(), to, lanes);
}
template <class D>
HWY_NOINLINE hn::Vec<D> LoadPart(const float* from, int64_t lanes) {
  return LoadLanes(D(), from, lanes);
}

template <class D>
HWY_INLINE void StoreInRow(D d, hn::Vec<D> value, int64_t lanes, float* to) {
  if constexpr (!HWY_MEM_OPS_MIGHT_FAULT) return StoreLanes(value, d, to, lanes);
  if (lanes < static_cast<int64_t>(hn::MaxLanes(d))) return StorePart<D>(value, lanes, to);
  hn::StoreU(value, d, to);
}

// Zeros beyond the row and in the first `seen` lanes, which the vector before had.
template <class D>
HWY_INLINE hn::Vec<D> LoadUnseen(D d, const float* from, int64_t lanes, int64_t seen) {
  if constexpr (!HWY_MEM_OPS_MIGHT_FAULT) return LoadLanes(d, from, lanes);
  if (lanes < static_cast<int64_t>(hn::MaxLanes(d))) return LoadPart<D>(from, lanes);
  return hn::IfThenZeroElse(hn::FirstN(d, static_cast<size_t>(seen)), hn::LoadU(d, from));
}

// As Relu and Relu6 of elementwise.h; NaN stays NaN.
template <class D>
class Activator {
 public:
  HWY_INLINE explicit Activator(Activation activation)
      : low_(hn::Set(D(), activation == Activation::kNone ? -kInfinity : 0.0f)),
        high_(hn::Set(D(), activation == Activation::kRelu6 ? 6.0f : kInfinity)) {}

  HWY_INLINE hn::Vec<D> operator()(hn::Vec<D> value) const {
    const auto above = hn::IfThenElse(hn::Lt(value, low_), low_, value);
    return hn::IfThenElse(hn::Gt(above, high_), high_, above);
  }

 private:
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  const hn::Vec<D> low_;
  const hn::Vec<D> high_;
};

// Calls body(tag) with the vectors that fill rows of this width best: those of sixteen lanes, whose
// partial ones cost as much as whole ones, or of eight.
template <class Body>
HWY_INLINE void WithVectorsFor(int64_t width, const Body& body) {
  if constexpr (hn::MaxLanes(FloatTag()) == 16) {
    if (RoundUp(width, 8) < RoundUp(width, 16)) return body(hn::Half<FloatTag>());
  }
  body(FloatTag());
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_ROW_VECTORS_INL_H_
