#include "core/base/random_distributions.h"

#include <algorithm>
#include <cmath>

namespace tern {

double NextOpenUniform(RandomStream& random) {
  return (static_cast<double>(random.Next64() >> 12) + 0.5) * 0x1p-52;
}

double NextNormal(RandomStream& random) {
  while (true) {
    const double x = 2.0 * NextOpenUniform(random) - 1.0;
    const double y = 2.0 * NextOpenUniform(random) - 1.0;
    const double square = x * x + y * y;
    if (square > 0.0 && square < 1.0) return x * std::sqrt(-2.0 * std::log(square) / square);
  }
}

double NextExponential(RandomStream& random) { return -std::log(NextOpenUniform(random)); }

double NextLogGamma(double shape, RandomStream& random) {
  if (shape < 1.0) {
    const double log_of_larger = NextLogGamma(shape + 1.0, random);
    return log_of_larger + std::log(NextOpenUniform(random)) / shape;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = NextNormal(random);
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    const double log_u = std::log(NextOpenUniform(random));
    if (log_u < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d) + std::log(v);
  }
}

std::vector<double> NextDirichlet(double alpha, int64_t size, RandomStream& random) {
  std::vector<double> parts(static_cast<size_t>(size));
  for (double& part : parts) part = NextLogGamma(alpha, random);
  // The largest becomes 1 before the sum: it is never 0, however small alpha is.
  const double largest = *std::max_element(parts.begin(), parts.end());
  double sum = 0.0;
  for (double& part : parts) sum += part = std::exp(part - largest);
  for (double& part : parts) part /= sum;
  return parts;
}

}  // namespace tern
