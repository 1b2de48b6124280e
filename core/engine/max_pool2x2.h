// Max pooling of windows of 2 x 2, two apart: what nearly every network pools with, and worth
// vectors, as where a maximum lies is a branch that no processor foresees.
//
// The place of a window's maximum takes two bits: 2 if it lies in the lower row, plus 1 if in the
// right column. Those of a row of windows fill whole bytes, four windows each, the lowest bits
// first.
#ifndef TERN_CORE_ENGINE_MAX_POOL2X2_H_
#define TERN_CORE_ENGINE_MAX_POOL2X2_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// Of a row of `windows` windows.
inline int64_t MaxPool2x2PlaceBytes(int64_t windows) { return (windows + 3) / 4; }

// Of window x of the row of windows whose places begin at `places`.
inline int MaxPool2x2Place(const uint8_t* places, int64_t x) {
  return (places[x / 4] >> (x % 4 * 2)) & 3;
}

// out [planes, out_height, out_width] = the maxima of in [planes, in_height, in_width], which may
// reach beyond the windows. Writes `places` [planes, out_height, PlaceBytes] unless null.
void MaxPool2x2(const LayerShape& shape, int64_t planes, const float* in, float* out,
                uint8_t* places);

// in_gradient [planes, in_height, in_width] = out_gradient at its window's place, zero elsewhere.
void MaxPool2x2Gradient(const LayerShape& shape, int64_t planes, const uint8_t* places,
                        const float* out_gradient, float* in_gradient);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_MAX_POOL2X2_H_
