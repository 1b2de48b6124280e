// Stage `topk(fraction)`, `topk(fraction, floor)`: a sparsifier that keeps the coordinates of
// largest magnitude, exactly so many; of equal magnitudes those with the lower index.
//
//   topk(fraction)         of all `count` coordinates max(1, ceil(fraction * count)), whichever
//                          tensors they are in; of none, none
//   topk(fraction, floor)  of each tensor of size s max(ceil(fraction * s), min(floor, s)), so that
//                          small tensors, biases for example, are not left out
//
// Products are in 64-bit floating point. Without error feedback what is left out is lost (Stich et
// al. 2018, "Sparsified SGD with memory").
#ifndef TERN_COMPRESSION_TOPK_H_
#define TERN_COMPRESSION_TOPK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "compression/codec.h"
#include "compression/sparsifier.h"

namespace tern::compression {

// Empty, or the problem.
std::string CheckTopKArguments(const StageSpec& stage);

// How many are kept of one vector of `size` coordinates. `floor` 0: there is none, but one is kept.
int64_t TopKOfVector(double fraction, int64_t floor, int64_t size);

// Exactly so many: min and max are equal.
KeptRange TopKKept(const StageSpec& stage, const CodecContext& context);

// 8 KiB of scratch for vectors of any size, 5 KiB of stack.
std::unique_ptr<Sparsifier> MakeTopKSparsifier(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_TOPK_H_
