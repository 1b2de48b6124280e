// Stage `qsgd(levels, bucket)`: levels of each bucket's norm, rounded at random (Alistarh et al.
// 2017, "QSGD: communication-efficient SGD via gradient quantization and encoding").
//
//   n       the Euclidean norm of the bucket, sent as a 32-bit float: the square root of
//           SumOfSquares, rounded up, so that |x| <= n; if it is not 0, at least the smallest
//           normal float
//   symbol  q + levels with -levels <= q <= levels: as RoundStochastically, at position
//           levels + levels * (x * (1 / n)), which has the distribution of
//           sign(x) floor(levels |x| / n + u), u uniform in [0, 1)
//   value   (q * (1 / levels)) * n, in 32-bit floats; its magnitude is at most n
//
// Unbiased up to 2^-14 * n / levels.
#ifndef TERN_COMPRESSION_QSGD_H_
#define TERN_COMPRESSION_QSGD_H_

#include <bit>
#include <memory>
#include <string>

#include "compression/codec.h"
#include "compression/quantizer.h"

namespace tern::compression {

// Empty, or the problem.
std::string CheckQsgdArguments(const StageSpec& stage);

struct QsgdOptions {
  int levels;      // 1 to 127
  int64_t bucket;  // a power of two, 64 to 1024

  explicit QsgdOptions(const StageSpec& stage)
      : levels(static_cast<int>(stage.arguments[0])),
        bucket(static_cast<int64_t>(stage.arguments[1])) {}

  QuantizerShape Shape() const {
    return {.bits = static_cast<int>(std::bit_width(static_cast<unsigned>(2 * levels))),
            .alphabet = 2 * levels + 1,
            .block = bucket,
            .parameter_bytes = sizeof(float)};
  }
};

std::unique_ptr<Quantizer> MakeQsgdQuantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeQsgdDequantizer(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_QSGD_H_
