// exp and log in double precision by arithmetic alone, so that a model's bits do not depend on the
// C library it runs with. Both are within 6e-16 of the exact value, relatively, over the range
// where result and argument are normal numbers; smaller results of Exp are 0.
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

}  // namespace tern

#endif  // TERN_CORE_ENGINE_EXP_LOG_H_
