#include <bit>
#include <cstring>

#include "compression/magnitude.h"
#include "compression/sign.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr int64_t kGroup = 64;

inline uint8_t SymbolOf(float value) {
  return static_cast<uint8_t>(std::bit_cast<uint32_t>(value) >> 31);
}

// Of so many groups.
TERN_SIMD_CLONES void TakeSigns(const float* __restrict values, int64_t groups,
                                uint8_t* __restrict symbols) {
  for (int64_t start = 0; start < groups * kGroup; start += kGroup) {
    for (int64_t i = start; i < start + kGroup; ++i) symbols[i] = SymbolOf(values[i]);
  }
}

class SignQuantizer final : public Quantizer {
 public:
  QuantizerShape shape() const override { return kSignShape; }

  void WriteHeader(absl::Span<const float> values, char* header) const override {
    const double count = static_cast<double>(values.size());
    const float mean = values.empty() ? 0.0f : static_cast<float>(SumOfMagnitudes(values) / count);
    std::memcpy(header, &mean, sizeof(mean));
  }

  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& /*key*/,
                        RandomStream& /*random*/, char* /*parameters*/,
                        uint8_t* symbols) const override {
    const int64_t groups = block.count / kGroup;
    TakeSigns(block.values, groups, symbols);
    for (int64_t i = groups * kGroup; i < block.count; ++i) symbols[i] = SymbolOf(block.values[i]);
    return absl::OkStatus();
  }

  bool Probabilities(absl::Span<double> of) const override { return SignProbabilities(of); }
};

}  // namespace

std::unique_ptr<Quantizer> MakeSignQuantizer(const StageSpec& /*stage*/) {
  return std::make_unique<SignQuantizer>();
}

}  // namespace tern::compression
