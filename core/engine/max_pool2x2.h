// Max pooling of windows of 2 x 2, two apart: what nearly every network pools with, and worth
// vectors, as where a maximum lies is a branch that no processor foresees.
#ifndef TERN_CORE_ENGINE_MAX_POOL2X2_H_
#define TERN_CORE_ENGINE_MAX_POOL2X2_H_

#include <cstdint>

namespace tern {

// out [planes, height / 2, width / 2] = the maxima of in [planes, height, width].
void MaxPool2x2(const float* in, int64_t planes, int64_t height, int64_t width, float* out);

// in_gradient [planes, height, width] = out_gradient where `in` has its window's maximum, the first
// in row order of equal ones; zero elsewhere.
void MaxPool2x2Gradient(const float* in, int64_t planes, int64_t height, int64_t width,
                        const float* out_gradient, float* in_gradient);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_MAX_POOL2X2_H_
