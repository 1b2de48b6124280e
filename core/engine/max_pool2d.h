// Max pooling over square windows that lie wholly inside the image. Of equal elements the first in
// row order is the maximum, as in PyTorch: it alone gets the gradient.
#ifndef TERN_CORE_ENGINE_MAX_POOL2D_H_
#define TERN_CORE_ENGINE_MAX_POOL2D_H_

#include <cstdint>

#include "core/engine/layer_kernel.h"

namespace tern {

// Where in its window each maximum lies, row of windows by row of windows, which share no byte: two
// bits for windows of 2 x 2, two apart; else one byte for windows of up to 256 elements, four for
// larger ones.
int64_t MaxPool2dSavedBytes(const LayerShape& shape, int64_t batch_size);

struct PoolPlace {
  int64_t y = 0;
  int64_t x = 0;
};

// Where in window (y, x) of a plane its maximum lies; `saved` is the plane's.
PoolPlace MaxPool2dPlace(const LayerShape& shape, const uint8_t* saved, int64_t y, int64_t x);

void MaxPool2dForward(const LayerShape& shape, const ForwardCall& call);
void MaxPool2dBackward(const LayerShape& shape, const BackwardCall& call);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_MAX_POOL2D_H_
