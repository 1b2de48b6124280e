// Stage `rotate`: a randomised Hadamard transform, an orthogonal map that spreads every coordinate
// over a block, after which the coordinates of a block are nearly independent normal numbers of the
// same variance, whatever they were before (Suresh et al. 2017, "Distributed mean estimation with
// limited communication"). It sends no bytes: seed and round of the task say which rotation, so it
// is the same for all devices of a round, and their sum can be rotated back at once.
//
// The coordinates are cut into blocks of 4096, which are rotated in steps, each of 2^m coordinates
// that follow one another:
//
//   y = 2^(-m/2) H D x     D: diagonal of signs, H: Walsh-Hadamard matrix in its natural order
//
// in 32-bit floating point: the signs, then for h = 1, 2, 4, ..., 2^(m-1) each pair of coordinates
// i and i + h, where i AND h is 0, becomes its sum and its difference, then each is multiplied by
// the number nearest to 2^(-m/2). The inverse: pairs, multiplication, signs.
//
// A block of 2^m coordinates takes two steps of all of them: after one, blocks of which two or
// three coordinates hold nearly all of the norm are far from normal. The last block, of n
// coordinates where n is no power of two, takes four steps of 2^m, the largest power of two below
// n: of its first, its last, its first, its last 2^m coordinates.
//
// Sign i of block b in step s = 0, 1, ... is bit i mod 32 of word (i / 32) mod 4 of
// Philox(rotation seed, {b, s, i / 128, 0}), set for minus. The rotation seed is words 0 and 1, the
// first the low half, of Philox(seed, {0, 0, round, RandomPurpose::kRotation}).
#ifndef TERN_COMPRESSION_ROTATION_H_
#define TERN_COMPRESSION_ROTATION_H_

#include <cstdint>

#include "absl/types/span.h"
#include "compression/quantizer.h"
#include "core/base/random.h"

namespace tern::compression {

inline constexpr int64_t kRotationBlock = kMaxBlock;

class Rotation {
 public:
  // By seed and round of the key; the client makes no difference.
  explicit Rotation(const RandomKey& key);

  // Rotates block `block`, at most kRotationBlock coordinates, in place. The same bits on every
  // machine. Orthogonal up to rounding.
  void Forward(int64_t block, absl::Span<float> values) const;
  void Inverse(int64_t block, absl::Span<float> values) const;

  // The rotation seed says which rotation it is, to whoever keeps what it rotated.
  static Rotation FromSeed(uint64_t seed) { return Rotation(seed); }
  uint64_t seed() const { return seed_; }

  bool operator==(const Rotation&) const = default;

 private:
  explicit Rotation(uint64_t seed) : seed_(seed) {}

  uint64_t seed_;
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_ROTATION_H_
