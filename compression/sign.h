// Stages `sign` and `ternary`: the sign of each value, and one magnitude for all.
//
//   header  the mean magnitude of all values: SumOfMagnitudes / count, rounded to a 32-bit float; 0
//           without values
//   symbol  the sign bit: 1 for minus, so that -0 is the mean with a minus
//
// The mean never exceeds the largest magnitude, of up to 2^31 values: rounding in the sum stays
// below 2^-25 of it, half a step of 32-bit floats.
//
// `sign` with error feedback is EF-signSGD (Karimireddy et al. 2019, "Error feedback fixes signSGD
// and other gradient compression schemes"). Behind a sparsifier it is called `ternary`, because the
// coordinates are then -mean, 0 or mean: sparse ternary compression (Sattler et al. 2019, "Robust
// and communication-efficient federated learning from non-i.i.d. data").
#ifndef TERN_COMPRESSION_SIGN_H_
#define TERN_COMPRESSION_SIGN_H_

#include <memory>

#include "absl/types/span.h"
#include "compression/codec.h"
#include "compression/quantizer.h"

namespace tern::compression {

inline constexpr QuantizerShape kSignShape = {
    .bits = 1, .alphabet = 2, .block = 1024, .header_bytes = sizeof(float)};

// Either sign is as likely.
inline bool SignProbabilities(absl::Span<double> probabilities) {
  probabilities[0] = probabilities[1] = 0.5;
  return true;
}

std::unique_ptr<Quantizer> MakeSignQuantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeSignDequantizer(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_SIGN_H_
