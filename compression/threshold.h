// Stage `threshold(t)`: a sparsifier that keeps the coordinates of magnitude at least t, which is
// rounded to a 32-bit float; so many as there are, from none to all.
#ifndef TERN_COMPRESSION_THRESHOLD_H_
#define TERN_COMPRESSION_THRESHOLD_H_

#include <memory>
#include <string>

#include "compression/codec.h"
#include "compression/sparsifier.h"

namespace tern::compression {

// Empty, or the problem.
std::string CheckThresholdArguments(const StageSpec& stage);

inline KeptRange ThresholdKept(const CodecContext& context) {
  return {.min = 0, .max = context.count};
}

std::unique_ptr<Sparsifier> MakeThresholdSparsifier(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_THRESHOLD_H_
