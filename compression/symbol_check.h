// The check that every dequantizer does whose alphabet is smaller than its bits allow.
#ifndef TERN_COMPRESSION_SYMBOL_CHECK_H_
#define TERN_COMPRESSION_SYMBOL_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "compression/quantizer.h"

namespace tern::compression {

// INVALID_ARGUMENT unless all symbols of the block are below `alphabet`; names the first
// value whose is not. One symbol for each value.
absl::Status CheckSymbols(const SymbolBlock& block, int alphabet);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_SYMBOL_CHECK_H_
