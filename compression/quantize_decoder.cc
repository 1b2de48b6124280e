#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_format.h"
#include "compression/quantize.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr char kUnusedCode = static_cast<char>(-128);

// One block of a payload of the right size.
struct Block {
  float scale;
  absl::string_view codes;
};

Block ReadBlock(absl::string_view payload, int64_t start, int64_t count) {
  Block block;
  const auto offset = static_cast<size_t>(QuantizedOffset(start));
  std::memcpy(&block.scale, payload.data() + offset, sizeof(block.scale));
  block.codes = payload.substr(offset + sizeof(block.scale),
                               static_cast<size_t>(std::min(kBlock, count - start)));
  return block;
}

absl::Status CheckBlock(const Block& block, int64_t start, float max_abs_value) {
  if (!(block.scale >= 0.0f) || !std::isfinite(block.scale)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("block %d (from coordinate %d): scale is %.9g, expected finite and >= 0",
                        start / kBlock, start, block.scale));
  }
  const float largest = block.scale * kQuantizeLargestCode;
  if (!(largest <= max_abs_value)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "block %d (from coordinate %d): scale %.9g reaches magnitude %.9g, expected at most %.9g",
        start / kBlock, start, block.scale, largest, max_abs_value));
  }
  const size_t unused = block.codes.find(kUnusedCode);
  if (unused == absl::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "coordinate %d: code is -128, expected -127 to 127", start + static_cast<int64_t>(unused)));
}

TERN_SIMD_CLONES void DequantizeCodes(const signed char* codes, float scale, float* values) {
  for (int64_t i = 0; i < kBlock; ++i) values[i] = static_cast<float>(codes[i]) * scale;
}

class QuantizeDecoder final : public Decoder {
 public:
  absl::Status Validate(absl::string_view payload, const DecodeLimits& limits) const override {
    TERN_RETURN_IF_ERROR(CheckPayloadSize(static_cast<int64_t>(payload.size()),
                                          QuantizedBytes(limits.count), limits.count));
    // An infinite product is refused even where the limit is infinite.
    const float max_abs_value = std::min(limits.max_abs_value, kLargestFinite);
    for (int64_t start = 0; start < limits.count; start += kBlock) {
      TERN_RETURN_IF_ERROR(
          CheckBlock(ReadBlock(payload, start, limits.count), start, max_abs_value));
    }
    return absl::OkStatus();
  }

  void DecodeInto(absl::string_view payload, int64_t count, UpdateSink& sink) const override {
    std::array<signed char, kBlock> codes{};
    std::array<float, kBlock> values;
    for (int64_t start = 0; start < count; start += kBlock) {
      const Block block = ReadBlock(payload, start, count);
      std::memcpy(codes.data(), block.codes.data(), block.codes.size());
      DequantizeCodes(codes.data(), block.scale, values.data());
      sink.Add(start, absl::MakeConstSpan(values.data(), block.codes.size()));
    }
  }
};

}  // namespace

std::unique_ptr<Decoder> MakeQuantizeDecoder(const StageSpec& /*stage*/) {
  return std::make_unique<QuantizeDecoder>();
}

}  // namespace tern::compression
