#include "compression/magnitude.h"
#include "compression/none.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

class NoneEncoder final : public Encoder {
 public:
  int64_t ScratchBytes(int64_t /*count*/) const override { return 0; }
  int64_t MinEncodedBytes(int64_t count) const override { return MaxEncodedBytes(count); }
  int64_t MaxEncodedBytes(int64_t count) const override {
    return count * static_cast<int64_t>(sizeof(float));
  }
  absl::Status Encode(absl::Span<const float> values, const RandomKey& /*key*/,
                      absl::Span<char> /*scratch*/, ByteWriter& out) const override {
    TERN_RETURN_IF_ERROR(CheckMagnitudes(values, kLargestFinite, 0));
    out.WriteFloats(values);
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<Encoder> MakeNoneEncoder(const StageSpec& /*stage*/) {
  return std::make_unique<NoneEncoder>();
}

}  // namespace tern::compression
