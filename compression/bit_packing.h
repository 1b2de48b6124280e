// Coder `bitpack` of symbols: symbol i in bits [i * bits, (i + 1) * bits) of the bytes, which are
// filled from their lowest bit; what is left of the last byte is 0.
#ifndef TERN_COMPRESSION_BIT_PACKING_H_
#define TERN_COMPRESSION_BIT_PACKING_H_

#include <cstdint>

namespace tern::compression {

inline int64_t PackedBytes(int64_t count, int bits) { return (count * bits + 7) / 8; }

// `bits` from 1 to 8. Symbols are below 2^bits, one in each byte. Writes PackedBytes.
void PackBits(const uint8_t* symbols, int64_t count, int bits, char* out);
// Reads PackedBytes.
void UnpackBits(const char* in, int64_t count, int bits, uint8_t* symbols);
// Whether what is left of the last byte is 0.
bool PaddingIsZero(const char* in, int64_t count, int bits);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_BIT_PACKING_H_
