// The loops over plain arrays of floats that layers are made of. Each runs on the kernel target.
// Elementwise results are the same on every target; sums are not, and depend on nothing else.
#ifndef TERN_CORE_ENGINE_ELEMENTWISE_H_
#define TERN_CORE_ENGINE_ELEMENTWISE_H_

#include <cstdint>

namespace tern {

// out[i] = value.
void Fill(float value, int64_t count, float* out);

// out[i] = max(in[i], 0); NaN stays NaN. `out` may be `in`.
void Relu(const float* in, int64_t count, float* out);

// gradient[i] = 0 where output[i] is not above 0.
void ReluGradient(const float* output, int64_t count, float* gradient);

// out[i] = min(max(in[i], 0), 6); NaN stays NaN. `out` may be `in`.
void Relu6(const float* in, int64_t count, float* out);

// gradient[i] = 0 where output[i] is not between 0 and 6.
void Relu6Gradient(const float* output, int64_t count, float* gradient);

// Bit i % 8 of active[i / 8]: whether ReluGradient keeps gradient[i]. The last byte's other bits
// are zero.
void ReluActive(const float* output, int64_t count, uint8_t* active);
void Relu6Active(const float* output, int64_t count, uint8_t* active);

// gradient[i] = 0 where the bit is zero.
void KeepActive(const uint8_t* active, int64_t count, float* gradient);

// out[i] = factor * in[i]. `out` may be `in`.
void Multiply(float factor, const float* in, int64_t count, float* out);

// y[i] += scale * x[i].
void AddScaled(float scale, const float* x, int64_t count, float* y);

// The sum of x[0, count).
float Sum(const float* x, int64_t count);

// Whether no element is infinite or not a number.
bool AllFinite(const float* x, int64_t count);

// sums[j] = scale * sum over i of x[i * columns + j], plus sums[j] if `accumulate`.
void ColumnSums(const float* x, int64_t rows, int64_t columns, float scale, bool accumulate,
                float* sums);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_ELEMENTWISE_H_
