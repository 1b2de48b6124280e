#include "compression/symbol_check.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kGroup = 64;

// Of so many groups.
TERN_SIMD_CLONES uint8_t LargestSymbol(const uint8_t* symbols, int64_t groups) {
  uint8_t largest = 0;
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t i = 0; i < kGroup; ++i) {
      largest = std::max(largest, symbols[group * kGroup + i]);
    }
  }
  return largest;
}

}  // namespace

absl::Status CheckSymbols(const SymbolBlock& block, int alphabet) {
  const int64_t groups = block.count / kGroup;
  int64_t i = LargestSymbol(block.symbols, groups) < alphabet ? groups * kGroup : 0;
  while (i < block.count && block.symbols[i] < alphabet) ++i;
  if (i == block.count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("value %d: symbol is %d, expected below %d",
                                                    block.first + i, block.symbols[i], alphabet));
}

}  // namespace tern::compression
