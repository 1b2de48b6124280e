// Strings to the parser of codecs (tests/compression/codec_string_property.h).
#include <cstddef>
#include <cstdint>

#include "tests/compression/codec_string_property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tern::compression::CheckCodecString({reinterpret_cast<const char*>(data), size});
  return 0;
}
