// Stage `randk(fraction)`: coordinates at random, the others not at all. The receiver draws the
// same (random_subset.h: by seed, round and client), so that no positions are sent.
//
// The coordinates are cut into strata of 65536, so that each is drawn apart. With c(e) = ceil(
// fraction e), the product in 64-bit floating point, stratum j from coordinate b to e keeps
// c(e) - c(b) of them, and one where that is 0: in all, c(count) or a few more. They are the subset
// of stream j.
//
// With option `unbiased`, `randk(fraction, unbiased)`, each is multiplied by how many coordinates
// of its stratum it stands for, in 32-bit floating point, so that the mean over clients and rounds
// is the update (Konecny & Richtarik 2018, "Randomized distributed mean estimation"): that needs no
// error feedback.
#ifndef TERN_COMPRESSION_RANDK_H_
#define TERN_COMPRESSION_RANDK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "compression/codec.h"
#include "compression/positions.h"
#include "compression/random_subset.h"
#include "compression/sparsifier.h"

namespace tern::compression {

inline constexpr int64_t kRandKStratum = kMaxSubsetCount;

// What is wrong with the arguments or the option; empty: nothing. What follows is for arguments
// that were checked.
std::string CheckRandKArguments(const StageSpec& stage);

// Both sides know how many: min == max.
KeptRange RandKKept(const StageSpec& stage, const CodecContext& context);

// The coordinates of stratum `index`, and how many of them are kept. 0 <= index * kRandKStratum <
// count.
struct RandKStratum {
  RandKStratum(double fraction, int64_t count, int64_t index);

  int64_t begin;
  int64_t end;
  int64_t kept;
};

// Select: INVALID_ARGUMENT also for a value that is too large to be multiplied.
std::unique_ptr<Sparsifier> MakeRandKSparsifier(const StageSpec& stage);
// Reads no bytes.
std::unique_ptr<PositionReader> MakeRandKReader(const StageSpec& stage,
                                                const CodecContext& context);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_RANDK_H_
