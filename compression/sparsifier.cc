#include "compression/sparsifier.h"

namespace tern::compression {

void Sparsifier::Gather(absl::Span<const float> values, const CodecContext& /*context*/,
                        absl::Span<const int32_t> indices, float* kept) const {
  for (const int32_t index : indices) *kept++ = values[static_cast<size_t>(index)];
}

}  // namespace tern::compression
