// Random numbers of other distributions than the uniform one, from a RandomStream: a function of
// its key alone. Beyond IEEE arithmetic and square roots, which give the same bits everywhere, they
// call only log and exp of the system's mathematics library.
#ifndef TERN_CORE_BASE_RANDOM_DISTRIBUTIONS_H_
#define TERN_CORE_BASE_RANDOM_DISTRIBUTIONS_H_

#include <cstdint>
#include <vector>

#include "core/base/random.h"

namespace tern {

// Uniform in (0, 1), an odd multiple of 2^-53: never an end, so that its logarithm is finite.
double NextOpenUniform(RandomStream& random);

// Standard normal (the polar method; Marsaglia & Bray 1964).
double NextNormal(RandomStream& random);

// Exponential with the mean 1.
double NextExponential(RandomStream& random);

// The logarithm of a Gamma(shape, 1) number (Marsaglia & Tsang 2000, section 6; for shape < 1
// theirs of shape + 1 times U^(1 / shape)): for a small shape the number itself is often below what
// a double holds. `shape` > 0, finite.
double NextLogGamma(double shape, RandomStream& random);

// Dirichlet(alpha, ..., alpha) over `size` parts: not negative, and they add up to 1 but for
// rounding. `alpha` > 0, finite; `size` >= 1.
std::vector<double> NextDirichlet(double alpha, int64_t size, RandomStream& random);

}  // namespace tern

#endif  // TERN_CORE_BASE_RANDOM_DISTRIBUTIONS_H_
