#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "compression/quantize.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// Between 2^23 and 2^24 floats are the integers. Adding 1.5 * 2^23 rounds to the nearest integer,
// ties to even, and leaves it modulo 256 in the lowest byte, which is 0 in the constant's own
// pattern, 0x4B400000.
constexpr float kRoundToInteger = 12582912.0f;

// The largest scale whose largest code does not decode above `largest`, or 0; see quantize.h.
float ChooseScale(float largest) {
  float scale = largest / kQuantizeLargestCode;
  if (scale * kQuantizeLargestCode > largest) {
    scale = std::bit_cast<float>(std::bit_cast<int32_t>(scale) - 1);
  }
  return scale < std::numeric_limits<float>::min() ? 0.0f : scale;
}

TERN_SIMD_CLONES void QuantizeCodes(const float* values, float codes_per_unit, char* codes) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const float rounded = values[i] * codes_per_unit + kRoundToInteger;
    codes[i] = static_cast<char>(std::bit_cast<int32_t>(rounded));
  }
}

// Writes the scale of the kBlock floats at `values`, then the codes of the first `count`. `start`
// is the index of the first, for the error when one is not finite.
absl::Status QuantizeBlock(const float* values, int64_t start, int64_t count, char* out) {
  const auto largest = std::bit_cast<float>(LargestMagnitudeBits(values));
  if (!std::isfinite(largest)) {
    return CheckMagnitudes(absl::MakeConstSpan(values, kBlock), kLargestFinite, start);
  }
  const float scale = ChooseScale(largest);
  const float codes_per_unit = scale == 0.0f ? 0.0f : kQuantizeLargestCode / largest;
  std::array<char, kBlock> codes;
  QuantizeCodes(values, codes_per_unit, codes.data());
  std::memcpy(out, &scale, sizeof(scale));
  std::memcpy(out + sizeof(scale), codes.data(), static_cast<size_t>(count));
  return absl::OkStatus();
}

class QuantizeEncoder final : public Encoder {
 public:
  int64_t ScratchBytes(int64_t /*count*/) const override { return 0; }
  int64_t MinEncodedBytes(int64_t count) const override { return QuantizedBytes(count); }
  int64_t MaxEncodedBytes(int64_t count) const override { return QuantizedBytes(count); }

  absl::Status Encode(absl::Span<const float> values, const RandomKey& /*key*/,
                      absl::Span<char> /*scratch*/, ByteWriter& out) const override {
    const auto count = static_cast<int64_t>(values.size());
    char* bytes = out.Extend(static_cast<size_t>(QuantizedBytes(count)));
    const int64_t whole = count / kBlock * kBlock;
    for (int64_t start = 0; start < whole; start += kBlock) {
      TERN_RETURN_IF_ERROR(
          QuantizeBlock(values.data() + start, start, kBlock, bytes + QuantizedOffset(start)));
    }
    if (whole == count) return absl::OkStatus();
    // Zeros behind the end change neither the largest magnitude nor what is written.
    std::array<float, kBlock> last{};
    std::copy(values.begin() + whole, values.end(), last.begin());
    return QuantizeBlock(last.data(), whole, count - whole, bytes + QuantizedOffset(whole));
  }
};

}  // namespace

std::unique_ptr<Encoder> MakeQuantizeEncoder(const StageSpec& /*stage*/) {
  return std::make_unique<QuantizeEncoder>();
}

}  // namespace tern::compression
