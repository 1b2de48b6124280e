// What quantizers are to a pipeline. A quantizer turns blocks of values into symbols, and into a
// few bytes of parameters from which the symbols give the values back, nearly.
//
// The values are those of the update, of its rotation (`rotate`), or those that a sparsifier kept,
// one behind the other. A quantizer's part of the payload is its header, the parameters of all
// blocks, then the symbols of all blocks, which a coder turns into bits.
//
// Both classes are immutable; any number of threads may use one.
#ifndef TERN_COMPRESSION_QUANTIZER_H_
#define TERN_COMPRESSION_QUANTIZER_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/base/random.h"

namespace tern::compression {

// The most coordinates of a block, and of the blocks that `rotate` turns.
inline constexpr int64_t kMaxBlock = 4096;

struct QuantizerShape {
  // Of a symbol. 1 to 8: symbols lie in memory one in each byte. 16, 32: as bytes, as they are
  // sent; such symbols have no alphabet.
  int bits = 0;
  int alphabet = 0;  // symbols are below it; at most 2^bits
  // Coordinates that share parameters: a power of two, from 64 to 1024; kMaxBlock behind `rotate`
  // only. The last block may be shorter.
  int64_t block = 0;
  int64_t header_bytes = 0;
  int64_t parameter_bytes = 0;  // for each block
  // Symbols for each coordinate: 1, or less for a quantizer that drops some (eden(0.5)).
  double symbol_share = 1.0;

  // Symbols of a block of `count` coordinates; a multiple of 8 for a whole block.
  int64_t Symbols(int64_t count) const {
    if (symbol_share == 1.0) return count;
    const auto kept = static_cast<int64_t>(std::ceil(symbol_share * static_cast<double>(count)));
    return std::min((kept + 7) / 8 * 8, count);
  }
};

struct ValueBlock {
  const float* values;  // finite; behind `rotate` of magnitude at most 2^100 before it
  int64_t count;        // of them, at most QuantizerShape::block
  int64_t first;        // index of the first in all values
};

// The sender's half.
class Quantizer {
 public:
  virtual ~Quantizer() = default;
  virtual QuantizerShape shape() const = 0;
  // Writes header_bytes, from all values.
  virtual void WriteHeader(absl::Span<const float> /*values*/, char* /*header*/) const {}
  // Writes parameter_bytes, and shape().Symbols(block.count) symbols. `key`: CodecContext::key.
  // `random`: numbers of its own, for blocks in ascending order. INVALID_ARGUMENT: a value is too
  // large to be sent, by index.
  virtual absl::Status Quantize(const ValueBlock& block, const char* header, const RandomKey& key,
                                RandomStream& random, char* parameters, uint8_t* symbols) const = 0;
  // Fills the probability of each symbol, `alphabet` of them, the same bits on every machine; false
  // where it is not known before (coders then count the symbols and send a table).
  virtual bool Probabilities(absl::Span<double> /*of*/) const { return false; }
};

// The bytes of a block; none of the pointers is aligned.
struct SymbolBlock {
  const char* header;
  const char* parameters;
  const uint8_t* symbols;
  int64_t count;  // coordinates
  int64_t first;
};

// The receiver's half.
class Dequantizer {
 public:
  virtual ~Dequantizer() = default;
  virtual QuantizerShape shape() const = 0;
  virtual absl::Status CheckHeader(const char* /*header*/) const { return absl::OkStatus(); }
  // INVALID_ARGUMENT: parameters or symbols that no quantizer writes, or a magnitude above
  // `max_abs_value` or not finite; names the block or coordinate. The header was checked, symbols
  // may be anything below 2^bits.
  virtual absl::Status Check(const SymbolBlock& block, float max_abs_value) const = 0;
  // Writes block.count values. For a block that Check accepted.
  virtual void Dequantize(const SymbolBlock& block, const RandomKey& key, float* values) const = 0;
  // The same as the quantizer's.
  virtual bool Probabilities(absl::Span<double> /*of*/) const { return false; }
};

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_QUANTIZER_H_
