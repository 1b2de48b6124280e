#include <utility>

#include "compression/mask.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

class MaskEncoder final : public Encoder {
 public:
  explicit MaskEncoder(std::unique_ptr<Encoder> packed) : packed_(std::move(packed)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    return PackedBytes(context) + packed_->ScratchBytes(PackedContext(context));
  }
  int64_t MaxEncodedBytes(const CodecContext& context) const override {
    return packed_->MaxEncodedBytes(PackedContext(context));
  }
  int64_t MinEncodedBytes(const CodecContext& context) const override {
    return packed_->MinEncodedBytes(PackedContext(context));
  }

  absl::Status Encode(absl::Span<const float> values, const CodecContext& context,
                      absl::Span<char> scratch, ByteWriter& out) const override {
    if (context.mask == nullptr) return packed_->Encode(values, context, scratch, out);
    TERN_CHECK(context.mask->full_size == static_cast<int64_t>(values.size()));
    const auto size = static_cast<size_t>(context.mask->size);
    const absl::Span<float> packed(reinterpret_cast<float*>(scratch.data()), size);
    context.mask->Pack(values, packed);
    scratch.remove_prefix(static_cast<size_t>(PackedBytes(context)));
    return packed_->Encode(packed, PackedContext(context), scratch, out);
  }

 private:
  // Whole cache lines, so that what is behind is aligned.
  static int64_t PackedBytes(const CodecContext& context) {
    constexpr int64_t kLine = 64;
    if (context.mask == nullptr) return 0;
    const int64_t bytes = context.mask->size * static_cast<int64_t>(sizeof(float));
    return (bytes + kLine - 1) / kLine * kLine;
  }

  const std::unique_ptr<Encoder> packed_;
};

}  // namespace

std::unique_ptr<Encoder> MakeMaskEncoder(std::unique_ptr<Encoder> packed) {
  return std::make_unique<MaskEncoder>(std::move(packed));
}

}  // namespace tern::compression
