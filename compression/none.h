// Stage `none`: the coordinates as they are, little-endian 32-bit floats one after the other.
#ifndef TERN_COMPRESSION_NONE_H_
#define TERN_COMPRESSION_NONE_H_

#include <memory>

#include "compression/codec.h"

namespace tern::compression {

std::unique_ptr<Encoder> MakeNoneEncoder(const StageSpec& stage);
std::unique_ptr<Decoder> MakeNoneDecoder(const StageSpec& stage);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_NONE_H_
