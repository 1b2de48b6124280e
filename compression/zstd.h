// Stage `zstd`: all that the stages before it give as one Zstandard frame (RFC 8878), without
// checksum: the frame around an update has one. Different versions of the library may give
// different bytes for the same update; they decode to the same. Left out of programs for devices.
#ifndef TERN_COMPRESSION_ZSTD_H_
#define TERN_COMPRESSION_ZSTD_H_

#include <memory>
#include <string>

#include "compression/codec.h"
#include "compression/pipeline.h"

namespace tern::compression {

// Empty, or the problem.
std::string CheckZstdArguments(const StageSpec& stage);

// `inner`: of the stages before it.
std::unique_ptr<Encoder> MakeZstdEncoder(const StageSpec& stage, std::unique_ptr<Encoder> inner);
// `layout` of the same stages bounds what a frame may hold. Each call decompresses all of it.
std::unique_ptr<Decoder> MakeZstdDecoder(const PayloadLayout& layout,
                                         std::unique_ptr<Decoder> inner);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_ZSTD_H_
