// Loops over rows of floats that keep a bit for each: bit i % 8 of byte i / 8 is for float i.

#if defined(TERN_CORE_ENGINE_VECTOR_BITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TERN_CORE_ENGINE_VECTOR_BITS_INL_H_
#undef TERN_CORE_ENGINE_VECTOR_BITS_INL_H_
#else
#define TERN_CORE_ENGINE_VECTOR_BITS_INL_H_
#endif

#include <cstdint>

#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Loads and stores of the first `count` lanes.
template <class D>
struct Lanes {
  int64_t count;

  HWY_INLINE bool whole() const { return count == static_cast<int64_t>(hn::MaxLanes(D())); }
  HWY_INLINE hn::Vec<D> Load(const float* from) const {
    return whole() ? hn::LoadU(D(), from) : LoadLanes(D(), from, count);
  }
  HWY_INLINE void Store(hn::Vec<D> value, float* to) const {
    if (whole()) return hn::StoreU(value, D(), to);
    StoreLanes(value, D(), to, count);
  }
};

// Calls body(tag, i, count) for each vector of floats [i, i + count) of [first, end). What is left
// behind whole vectors is taken by ever shorter ones, the last floats by part of one of four lanes:
// no vector has bits in a byte that it, or half a byte that a vector before it, does not fill.
template <class D, class Body>
HWY_INLINE void ForEachShorterVector(D d, int64_t first, int64_t end, const Body& body) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  for (; first + kLanes <= end; first += kLanes) body(d, first, kLanes);
  if (first == end) return;
  if constexpr (kLanes > 4) {
    ForEachShorterVector(hn::Half<D>(), first, end, body);
  } else {
    body(d, first, end - first);
  }
}

// The bits of floats [first, first + lanes of d); a byte's lower bits must be stored first, its
// higher ones become zero.
template <class D>
HWY_INLINE void StoreBits(hn::Mask<D> mask, D d, int64_t first, uint8_t* bits) {
  if constexpr (hn::MaxLanes(D()) >= 8) {
    hn::StoreMaskBits(d, mask, bits + first / 8);
  } else {
    uint8_t lanes[8];  // as many as StoreMaskBits may write
    hn::StoreMaskBits(d, mask, lanes);
    const int below = first % 8 == 0 ? 0 : bits[first / 8];
    bits[first / 8] = static_cast<uint8_t>(below | (lanes[0] << (first % 8)));
  }
}

template <class D>
HWY_INLINE hn::Mask<D> LoadBits(D d, int64_t first, const uint8_t* bits) {
  if constexpr (hn::MaxLanes(D()) >= 8) {
    return hn::LoadMaskBits(d, bits + first / 8);
  } else {
    const uint8_t lanes[8] = {static_cast<uint8_t>(bits[first / 8] >> (first % 8))};
    return hn::LoadMaskBits(d, lanes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#endif  // TERN_CORE_ENGINE_VECTOR_BITS_INL_H_
