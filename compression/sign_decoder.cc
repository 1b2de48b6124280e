#include <bit>
#include <cstring>

#include "absl/strings/str_format.h"
#include "compression/magnitude.h"
#include "compression/sign.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kGroup = 64;

inline float ValueOf(uint8_t symbol, uint32_t mean_bits) {
  return std::bit_cast<float>(mean_bits | (static_cast<uint32_t>(symbol) << 31));
}

// Of so many groups.
TERN_SIMD_CLONES void GiveSigns(const uint8_t* __restrict symbols, int64_t groups,
                                uint32_t mean_bits, float* __restrict values) {
  for (int64_t start = 0; start < groups * kGroup; start += kGroup) {
    for (int64_t i = start; i < start + kGroup; ++i) values[i] = ValueOf(symbols[i], mean_bits);
  }
}

uint32_t ReadMeanBits(const char* header) {
  uint32_t bits;
  std::memcpy(&bits, header, sizeof(bits));
  return bits;
}

class SignDequantizer final : public Dequantizer {
 public:
  QuantizerShape shape() const override { return kSignShape; }

  absl::Status CheckHeader(const char* header) const override {
    const uint32_t bits = ReadMeanBits(header);
    // Those with a sign bit are above it too.
    if (bits <= std::bit_cast<uint32_t>(kLargestFinite)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrFormat(
        "mean magnitude is %.9g, expected finite and not negative", std::bit_cast<float>(bits)));
  }

  absl::Status Check(const SymbolBlock& block, float max_abs_value) const override {
    const auto mean = std::bit_cast<float>(ReadMeanBits(block.header));
    if (mean <= max_abs_value) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrFormat("value %d: mean magnitude is %.9g, expected at most %.9g", block.first,
                        mean, max_abs_value));
  }

  void Dequantize(const SymbolBlock& block, const RandomKey& /*key*/,
                  float* values) const override {
    const uint32_t mean_bits = ReadMeanBits(block.header);
    const int64_t groups = block.count / kGroup;
    GiveSigns(block.symbols, groups, mean_bits, values);
    for (int64_t i = groups * kGroup; i < block.count; ++i) {
      values[i] = ValueOf(block.symbols[i], mean_bits);
    }
  }

  bool Probabilities(absl::Span<double> of) const override { return SignProbabilities(of); }
};

}  // namespace

std::unique_ptr<Dequantizer> MakeSignDequantizer(const StageSpec& /*stage*/) {
  return std::make_unique<SignDequantizer>();
}

}  // namespace tern::compression
