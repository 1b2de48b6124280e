// Quantizers behind `rotate`, whose blocks hold nearly normal numbers of mean 0: each number is
// replaced by the centroid of its cell in a codebook for N(0,1) (normal_codebook.h), and a scale S
// for the block brings the centroids c to the numbers z.
//
// `eden(bits)`, bits 1, 2, 3 or 4: Lloyd-Max cells (Vargaftik et al. 2022, "EDEN:
// communication-efficient and robust distributed mean estimation for federated learning"). With
// 0 < bits < 1 one bit for each of QuantizerShape::Symbols coordinates of the block's n, at random
// (random_subset.h: by seed, round and client; the stream is the block); the others decode to 0.
// `ecsq(bits)`, 0.1 to 6: the cells of UniformCodebook, for a coder that brings its symbols to so
// many bits each on average (`rans`).
//
//   S = |z|^2 / <c, z>   unbiased, times n / symbols where some are dropped. `eden`; `ecsq` with
//                        option `unbiased`
//   S = <c, z> / |c|^2   the least error in this block. `eden` with option `mse`; `ecsq`
//
// Unbiased: the mean of what is decoded is the update, over rotations that are uniformly random
// (Vargaftik et al. 2022). Those of `rotate` are not quite, but after its two steps the
// difference is below what a test of ten thousand rotations shows, in blocks of 64 coordinates or
// more; shorter ones, the end of an update, are off by more. Where all symbols
// of `ecsq` would stand for 0, which happens to short blocks at low rates, the number of largest
// magnitude, the first such, gets the one next to it on its side.
//
// Header: none. Parameters of a block: u16 S (block_scale.h); 0 if sigma is below 2^-100. How an
// encoder computes:
//
//   sums      64-bit floating point: number i of those that have symbols is added to lane i mod 16,
//             then the lanes are added up from the first
//   sigma     sqrt(|z|^2 / n) of the n numbers that have symbols, in 64 bits, then rounded to 32
//   eden      a threshold is the codebook's times sigma, in 64 bits, then rounded to 32. With h the
//             number of thresholds above 0 that are below |z|, and 2^bits = 2 m: symbol m + h, or
//             m - 1 - h where the sign bit of z is set
//   ecsq      z times the 32-bit number nearest to 1 / (sigma step), in 32 bits, is rounded to the
//             nearest integer, ties to even, and limited to the outermost cells
//   S         in 64 bits from 32-bit centroids, then rounded to 32. Then to
//             16: the unbiased one at random, with random.Next64(), the other one to nearest, ties
//             to even. (To nearest it would be off by up to 2^-9 of it in every rotation alike:
//             from one to another S varies by about 2^-bits / 50 of it, which above 3 bits is
//             less than a step.)
//
// A number decodes to its 32-bit centroid times S, in 32 bits. What S is rounded by adds 10^-6 of
// |z|^2 to the error, at random twice that.
#ifndef TERN_COMPRESSION_EDEN_H_
#define TERN_COMPRESSION_EDEN_H_

#include <array>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "compression/block_scale.h"
#include "compression/codec.h"
#include "compression/normal_codebook.h"
#include "compression/quantizer.h"

namespace tern::compression {

// What is wrong with the arguments or the option; empty: nothing.
std::string CheckEdenArguments(const StageSpec& stage);
std::string CheckEcsqArguments(const StageSpec& stage);

// For arguments that were checked. `ecsq` searches for its step: up to a millisecond. 40 KiB of
// stack.
std::unique_ptr<Quantizer> MakeEdenQuantizer(const StageSpec& stage);
std::unique_ptr<Quantizer> MakeEcsqQuantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeEdenDequantizer(const StageSpec& stage);
std::unique_ptr<Dequantizer> MakeEcsqDequantizer(const StageSpec& stage);

// What follows is shared by both directions.
struct NormalCode {
  QuantizerShape shape;
  bool unbiased = false;
  NormalCodebook book;
};

NormalCode EdenCode(const StageSpec& stage);
NormalCode EcsqCode(const StageSpec& stage);

// Of each symbol; 0 behind the alphabet.
using CentroidTable = std::array<float, 256>;
CentroidTable Centroids(const NormalCode& code);

// Quantizer::Probabilities of both sides.
void FillProbabilities(const NormalCode& code, absl::Span<double> probabilities);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_EDEN_H_
