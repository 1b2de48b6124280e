#include "compression/normal_codebook.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/check.h"

namespace tern::compression {
namespace {

// The centroids above 0. Thresholds are halfway between neighbours.
constexpr std::array<double, 1> kCentroids1 = {0.79788456080286535588};
constexpr std::array<double, 2> kCentroids2 = {0.45278003463649200941, 1.51041760849909540239};
constexpr std::array<double, 4> kCentroids3 = {0.24509417894422166819, 0.75600528120587727482,
                                               1.34390927850499987518, 2.15194570453698728535};
constexpr std::array<double, 8> kCentroids4 = {
    0.12839502985114701005, 0.38804829949029019659, 0.65675911853246338086, 0.94234045648696137093,
    1.25623119734717715246, 1.61804638602188262722, 2.06901722653138657957, 2.73258957099516306902};

const double* LloydMaxCentroids(int bits) {
  switch (bits) {
    case 1:
      return kCentroids1.data();
    case 2:
      return kCentroids2.data();
    case 3:
      return kCentroids3.data();
    default:
      return kCentroids4.data();
  }
}

// exp(-y), 0 <= y <= 500: 2^-k exp(-r) with |r| <= ln(2) / 2, and a Taylor polynomial.
double ExpOfMinus(double y) {
  // ln(2) in two parts: the first has few enough bits that its product with k is exact.
  constexpr double kLn2High = 0x1.62e42fefap-1;
  constexpr double kLn2Low = 0x1.cf79abc9e3b3ap-40;
  const double k = std::floor(y / std::numbers::ln2 + 0.5);
  const double r = (y - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int n = 18; n > 0; --n) sum = 1.0 - r / n * sum;
  return std::ldexp(sum, -static_cast<int>(k));
}

// x > 0 and normal: x = m 2^e with m around 1, and ln(m) = 2 artanh((m - 1) / (m + 1)) as a series.
double Log2(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < std::numbers::sqrt2 / 2) {
    m *= 2.0;
    --exponent;
  }
  const double t = (m - 1.0) / (m + 1.0);
  double sum = 0.0;
  for (int n = 25; n > 0; n -= 2) sum = sum * (t * t) + 1.0 / n;
  return exponent + 2.0 * t * sum / std::numbers::ln2;
}

// Fills the probabilities from the thresholds, and the centroids too where `centroids` says so; the
// thresholds above 0 are read.
void FillCells(NormalCodebook& book, bool centroids) {
  const int last = book.alphabet - 1;
  const int half = book.alphabet / 2;  // cells on each side of 0, or of the middle one
  double tail_above = 0.0;             // what lies above the cell
  double density_above = 0.0;
  for (int i = last; i > last - half; --i) {
    const auto at = static_cast<size_t>(i);
    const double tail = NormalUpperTail(book.thresholds[at - 1]);
    const double density = NormalDensity(book.thresholds[at - 1]);
    book.probabilities[at] = tail - tail_above;
    if (centroids) book.centroids[at] = (density - density_above) / (tail - tail_above);
    tail_above = tail;
    density_above = density;
  }
  if (book.alphabet % 2 != 0) {
    book.probabilities[static_cast<size_t>(half)] = 1.0 - 2.0 * tail_above;
    book.centroids[static_cast<size_t>(half)] = 0.0;
  }
  for (int i = 0; i < half; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto mirrored = static_cast<size_t>(last - i);
    book.probabilities[at] = book.probabilities[mirrored];
    book.centroids[at] = -book.centroids[mirrored];
    book.thresholds[at] = -book.thresholds[mirrored - 1];
  }
}

// On each side of the middle one.
int OutermostCell(double rate) {
  const double whole = std::floor(rate);
  const double two_to_the_rate = std::ldexp(1.0 + (rate - whole), static_cast<int>(whole));
  return std::max(1, static_cast<int>(std::ceil(1.125 * two_to_the_rate - 1.5)));
}

NormalCodebook CodebookOfStep(double step, int outermost) {
  NormalCodebook book{.alphabet = 2 * outermost + 1, .step = step};
  for (int i = outermost; i < 2 * outermost; ++i) {
    book.thresholds[static_cast<size_t>(i)] = (i - outermost + 0.5) * step;
  }
  FillCells(book, /*centroids=*/true);
  return book;
}

double Entropy(const NormalCodebook& book) {
  double sum = 0.0;
  for (int i = 0; i < book.alphabet; ++i) {
    const double probability = book.probabilities[static_cast<size_t>(i)];
    sum -= probability * Log2(probability);
  }
  return sum;
}

}  // namespace

double NormalDensity(double x) {
  constexpr double kInverseSqrt2Pi = 0.39894228040143267794;
  return kInverseSqrt2Pi * ExpOfMinus(x * x / 2.0);
}

double NormalUpperTail(double x) {
  const double density = NormalDensity(x);
  if (x <
      2.5) {  // Marsaglia 2004, "Evaluating the normal distribution", a series of positive terms
    double term = x;
    double sum = x;
    for (int n = 3; n < 80; n += 2) {
      term *= x * x / n;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  // Laplace's continued fraction x + 1 / (x + 2 / (x + 3 / (x + ...))).
  double fraction = x;
  for (int n = 80; n > 0; --n) fraction = x + n / fraction;
  return density / fraction;
}

NormalCodebook LloydMaxCodebook(int bits) {
  TERN_CHECK(bits >= 1 && bits <= 4);
  const double* const positive = LloydMaxCentroids(bits);
  const int half = 1 << (bits - 1);
  NormalCodebook book{.alphabet = 2 * half};
  for (int i = 0; i < half; ++i) {
    book.centroids[static_cast<size_t>(half + i)] = positive[i];
    book.thresholds[static_cast<size_t>(half + i - 1)] =
        i == 0 ? 0.0 : (positive[i - 1] + positive[i]) / 2.0;
  }
  FillCells(book, /*centroids=*/false);
  return book;
}

NormalCodebook UniformCodebook(double rate) {
  TERN_CHECK(rate >= 0.1 && rate <= 6.0);
  const int outermost = OutermostCell(rate);
  // The outermost cells begin below 1 deviation and above 4.
  double low = 1.0 / outermost;
  double high = 8.0 / outermost;
  for (int i = 0; i < 28; ++i) {
    const double middle = (low + high) / 2.0;
    (Entropy(CodebookOfStep(middle, outermost)) > rate ? low : high) = middle;
  }
  return CodebookOfStep(low, outermost);
}

}  // namespace tern::compression
