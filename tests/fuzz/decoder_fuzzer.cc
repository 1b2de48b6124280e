// Bytes to every decoder (tests/compression/decode_property.h).
#include <cstddef>
#include <cstdint>

#include "tests/compression/decode_property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  tern::compression::CheckDecoderOn(tern::compression::DecoderInput::Parse(input));
  return 0;
}
