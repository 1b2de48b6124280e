#include "compression/bitmap.h"

#include <array>
#include <bit>

namespace tern::compression {

void BitmapProbabilities(const PositionCounts& counts, absl::Span<double> probabilities) {
  const double kept = counts.count == 0
                          ? 0.0
                          : static_cast<double>(counts.kept) / static_cast<double>(counts.count);
  // kept^ones * (1 - kept)^(8 - ones), in this order.
  std::array<double, 9> of_ones;
  for (size_t ones = 0; ones < of_ones.size(); ++ones) {
    double probability = 1.0;
    for (size_t bit = 0; bit < ones; ++bit) probability *= kept;
    for (size_t bit = ones; bit < 8; ++bit) probability *= 1.0 - kept;
    of_ones[ones] = probability;
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    probabilities[byte] = of_ones[static_cast<size_t>(std::popcount(byte))];
  }
}

}  // namespace tern::compression
