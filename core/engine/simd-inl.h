// What Highway 1.0.3 lacks and several kernels need: partial loads and stores, horizontal sums.

#if defined(TERN_CORE_ENGINE_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_SIMD_INL_H_
#undef TERN_CORE_ENGINE_SIMD_INL_H_
#else
#define TERN_CORE_ENGINE_SIMD_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::ScalableTag<float>;

// Vector registers of the target.
#if HWY_TARGET <= HWY_AVX3 || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

// The first `count` floats at `from`, zeros in the other lanes; reads nothing beyond.
template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const float* from, int64_t count) {
// A masked load of HWY_SCALAR reads its lane whatever the mask.
#if HWY_MEM_OPS_MIGHT_FAULT || HWY_TARGET == HWY_SCALAR
  HWY_ALIGN float lanes[hn::MaxLanes(d)] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, from);
#endif
}

// Stores the first `count` lanes, writes nothing beyond.
template <class D>
HWY_INLINE void StoreLanes(hn::Vec<D> value, D d, float* to, int64_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float lanes[hn::MaxLanes(d)];
  hn::Store(value, d, lanes);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
#else
  hn::BlendedStore(value, hn::FirstN(d, static_cast<size_t>(count)), d, to);
#endif
}

// How a loop body reads and writes one vector: whole, or the first lanes only at the end.
struct WholeVector {
  HWY_INLINE hn::Vec<FloatTag> Load(const float* from) const { return hn::LoadU(FloatTag(), from); }
  HWY_INLINE void Store(hn::Vec<FloatTag> value, float* to) const {
    hn::StoreU(value, FloatTag(), to);
  }
};
struct PartialVector {
  int64_t count;
  HWY_INLINE hn::Vec<FloatTag> Load(const float* from) const {
    return LoadLanes(FloatTag(), from, count);
  }
  HWY_INLINE void Store(hn::Vec<FloatTag> value, float* to) const {
    StoreLanes(value, FloatTag(), to, count);
  }
};

// Calls body(i, lanes) for each vector of an array of `count` floats.
template <class Body>
HWY_INLINE void ForEachVector(int64_t count, const Body& body) {
  constexpr int64_t kStep = hn::MaxLanes(FloatTag());
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) body(i, WholeVector());
  if (i < count) body(i, PartialVector{count - i});
}

HWY_INLINE void CopyFloats(const float* from, int64_t count, float* HWY_RESTRICT to) {
  ForEachVector(count,
                [&](int64_t i, auto lanes) HWY_ATTR { lanes.Store(lanes.Load(from + i), to + i); });
}

// to[i] += from[i] for i < count. Ends with ever shorter vectors, not with a partial store: what
// that wrote could not be read again before it has reached the cache.
template <class D>
HWY_INLINE void AddFloats(D d, const float* from, int64_t count, float* HWY_RESTRICT to) {
  constexpr int64_t kStep = hn::MaxLanes(D());
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  }
  if constexpr (kStep > 1) {
    if (i < count) AddFloats(hn::Half<D>(), from + i, count - i, to + i);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Sums the blocks of four lanes of a vector into one.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> SumOfBlocks(D /*d*/, hn::Vec<D> value) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return value;
  } else {
    const hn::Half<D> half;
    return SumOfBlocks(half, hn::Add(hn::LowerHalf(half, value), hn::UpperHalf(half, value)));
  }
}
#endif

// sums[j] = the sum of the lanes of vectors[j].
template <int kCount, class D = FloatTag>
HWY_INLINE void SumEach(const hn::Vec<D>* vectors, float* sums) {
  const D d;
  int j = 0;
#if HWY_TARGET != HWY_SCALAR
  // Four at a time, by a transpose within blocks of four lanes that adds as it goes.
  const hn::Repartition<double, D> pairs;
  const hn::FixedTag<float, 4> d4;
  for (; j + 4 <= kCount; j += 4) {
    const auto ab = hn::Add(hn::InterleaveLower(d, vectors[j], vectors[j + 1]),
                            hn::InterleaveUpper(d, vectors[j], vectors[j + 1]));
    const auto ce = hn::Add(hn::InterleaveLower(d, vectors[j + 2], vectors[j + 3]),
                            hn::InterleaveUpper(d, vectors[j + 2], vectors[j + 3]));
    const auto low = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
    const auto high = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, ce));
    const auto blocks = hn::Add(hn::BitCast(d, low), hn::BitCast(d, high));
    hn::StoreU(SumOfBlocks(d, blocks), d4, sums + j);
  }
#endif
  for (; j < kCount; ++j) sums[j] = hn::GetLane(hn::SumOfLanes(d, vectors[j]));
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_SIMD_INL_H_
