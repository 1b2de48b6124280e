#include <utility>

#include "compression/mapped_sink.h"
#include "compression/mask.h"
#include "compression/seek.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

class MaskDecoder final : public Decoder {
 public:
  explicit MaskDecoder(std::unique_ptr<Decoder> packed) : packed_(std::move(packed)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    return packed_->ScratchBytes(PackedContext(context));
  }
  absl::Status Validate(absl::string_view payload, const CodecContext& context,
                        float max_abs_value) const override {
    TERN_CHECK(context.mask == nullptr || context.mask->full_size == context.count);
    return packed_->Validate(payload, PackedContext(context), max_abs_value);
  }
  void DecodeInto(absl::string_view payload, const CodecContext& context,
                  UpdateSink& sink) const override {
    if (context.mask == nullptr) return packed_->DecodeInto(payload, context, sink);
    MappedSink mapped(*context.mask, sink);
    packed_->DecodeInto(payload, PackedContext(context), mapped);
  }
  SeekIndex MakeSeekIndex(absl::string_view payload, const CodecContext& context) const override {
    return packed_->MakeSeekIndex(payload, PackedContext(context));
  }
  void DecodeBlock(absl::string_view payload, const CodecContext& context, const SeekIndex& index,
                   int64_t block, UpdateSink& sink) const override {
    if (context.mask == nullptr) return packed_->DecodeBlock(payload, context, index, block, sink);
    MappedSink mapped(*context.mask, sink);
    packed_->DecodeBlock(payload, PackedContext(context), index, block, mapped);
  }

 private:
  const std::unique_ptr<Decoder> packed_;
};

}  // namespace

std::unique_ptr<Decoder> MakeMaskDecoder(std::unique_ptr<Decoder> packed) {
  return std::make_unique<MaskDecoder>(std::move(packed));
}

}  // namespace tern::compression
