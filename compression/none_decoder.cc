#include <algorithm>
#include <array>
#include <cstring>

#include "compression/magnitude.h"
#include "compression/none.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

// The payload may start at any address, so floats are copied out of it before they are read.
using FloatBlock = std::array<float, kBlock>;

absl::Span<const float> CopyBlock(absl::string_view payload, int64_t start, int64_t count,
                                  FloatBlock& block) {
  const auto size = static_cast<size_t>(std::min(kBlock, count - start));
  std::memcpy(block.data(), payload.data() + start * static_cast<int64_t>(sizeof(float)),
              size * sizeof(float));
  return absl::MakeConstSpan(block.data(), size);
}

class NoneDecoder final : public Decoder {
 public:
  absl::Status Validate(absl::string_view payload, const DecodeLimits& limits) const override {
    TERN_RETURN_IF_ERROR(CheckPayloadSize(static_cast<int64_t>(payload.size()),
                                          limits.count * static_cast<int64_t>(sizeof(float)),
                                          limits.count));
    FloatBlock block;
    for (int64_t start = 0; start < limits.count; start += kBlock) {
      TERN_RETURN_IF_ERROR(CheckMagnitudes(CopyBlock(payload, start, limits.count, block),
                                           limits.max_abs_value, start));
    }
    return absl::OkStatus();
  }

  void DecodeInto(absl::string_view payload, int64_t count, UpdateSink& sink) const override {
    FloatBlock block;
    for (int64_t start = 0; start < count; start += kBlock) {
      sink.Add(start, CopyBlock(payload, start, count, block));
    }
  }
};

}  // namespace

std::unique_ptr<Decoder> MakeNoneDecoder(const StageSpec& /*stage*/) {
  return std::make_unique<NoneDecoder>();
}

}  // namespace tern::compression
