// exp, log and tanh by arithmetic alone, so that a model's bits do not depend on the C library it
// runs with, nor on the kernel target. Exp is within 2 ulp of the exact value and Log within 3, in
// double precision, over the range where result and argument are normal numbers (smaller results of
// Exp are 0); TanhEach is within 0.501 ulp, in single precision, for every float.
#ifndef TERN_CORE_ENGINE_EXP_LOG_H_
#define TERN_CORE_ENGINE_EXP_LOG_H_

#include <cstdint>

namespace tern {

// 0 below -708, infinity above 709, NaN for NaN.
double Exp(double x);

// out[i] = Exp(x[i] - maximum), the same bits, for x[i] not above `maximum`.
void ExpEach(const float* x, double maximum, int64_t count, double* out);

// NaN unless 0 < x < infinity; x is a normal number.
double Log(double x);

// out[i] = Log(x[i]), the same bits. `out` may be x.
void LogEach(const double* x, int64_t count, double* out);

// out[i] = tanh(x[i]), an odd function: 0 of either sign for itself, 1 for what is above 10 and for
// infinity, NaN for NaN. `out` may be x.
void TanhEach(const float* x, int64_t count, float* out);

}  // namespace tern

#endif  // TERN_CORE_ENGINE_EXP_LOG_H_
