// Scalar quantizers of a standard normal number. Sender and receiver compute them, so that they
// need no bytes: with additions, multiplications, divisions and square roots in 64-bit floating
// point alone, in a fixed order, so that they are the same bits on every machine.
#ifndef TERN_COMPRESSION_NORMAL_CODEBOOK_H_
#define TERN_COMPRESSION_NORMAL_CODEBOOK_H_

#include <array>
#include <cstdint>

namespace tern::compression {

// Symbols number the cells of the real line from the lowest to the highest; all is symmetric
// around 0. With an even alphabet 0 is a threshold, with an odd one it lies amid a cell.
struct NormalCodebook {
  static constexpr int kMaxAlphabet = 255;

  int alphabet = 0;
  double step = 0.0;                                 // between thresholds, where that is all one
  std::array<double, kMaxAlphabet> thresholds{};     // i: between symbols i and i + 1
  std::array<double, kMaxAlphabet> centroids{};      // mean of the numbers in a cell
  std::array<double, kMaxAlphabet> probabilities{};  // of a cell
};

// 2^bits cells of the least mean squared error, 1 <= bits <= 4 (Lloyd 1957/1982; Max 1960,
// "Quantizing for minimum distortion"). Mean squared errors: 0.3634, 0.1175, 0.03455, 0.009501.
NormalCodebook LloydMaxCodebook(int bits);

// Cells of equal width whose symbols have an entropy of `rate` bits, 0.1 <= rate <= 6, within 1e-6.
// Their mean squared error is at most 0.255 bits above the rate-distortion function, to which no
// choice of thresholds comes much closer at 1 bit or more (Gish & Pierce 1968, "Asymptotically
// efficient quantizing"). Cell k covers ((k - 1/2) step, (k + 1/2) step), |k| <= o; symbols are k +
// o; the outermost two cells have no outer end. o = max(1, ceil(1.125 e - 1.5)), where e is 2^rate,
// linear between powers of two, so that cells end at 3.3 to 5.5 from 1 bit on. More would gain less
// than 0.0005 bit; but rarer ones cost a slot each of a coder's table, up to 0.003.
NormalCodebook UniformCodebook(double rate);

// (2 pi)^(-1/2) exp(-x^2 / 2). |x| <= 30. Relative error below 1e-13.
double NormalDensity(double x);
// The probability of a number above x, 0 <= x <= 30. Relative error below 1e-12.
double NormalUpperTail(double x);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_NORMAL_CODEBOOK_H_
