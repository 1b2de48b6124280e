// Stage `mask`: only the coordinates of CodecContext::mask are sent, packed; which they are, both
// sides know, so that they take no bytes. All others are 0. The stages behind it see one tensor of
// the packed coordinates. Without a mask all are sent.
#ifndef TERN_COMPRESSION_MASK_H_
#define TERN_COMPRESSION_MASK_H_

#include <memory>

#include "compression/codec.h"

namespace tern::compression {

// What the stages behind it know.
inline CodecContext PackedContext(const CodecContext& context) {
  if (context.mask == nullptr) return context;
  return {.count = context.mask->size, .tensor_sizes = {}, .mask = nullptr, .key = context.key};
}

std::unique_ptr<Encoder> MakeMaskEncoder(std::unique_ptr<Encoder> packed);
std::unique_ptr<Decoder> MakeMaskDecoder(std::unique_ptr<Decoder> packed);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_MASK_H_
