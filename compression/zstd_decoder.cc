#define ZSTD_STATIC_LINKING_ONLY  // the size of a context
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/seek.h"
#include "compression/zstd.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder(const PayloadLayout& layout, std::unique_ptr<Decoder> inner)
      : layout_(layout), inner_(std::move(inner)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    return static_cast<int64_t>(ZSTD_estimateDCtxSize()) + layout_.MaxBytes(context) +
           inner_->ScratchBytes(context);
  }
  absl::Status Validate(absl::string_view payload, const CodecContext& context,
                        float max_abs_value) const override {
    TERN_ASSIGN_OR_RETURN(const std::string inner, Decompress(payload, context));
    return inner_->Validate(inner, context, max_abs_value);
  }
  void DecodeInto(absl::string_view payload, const CodecContext& context,
                  UpdateSink& sink) const override {
    inner_->DecodeInto(*Decompress(payload, context), context, sink);
  }
  SeekIndex MakeSeekIndex(absl::string_view payload, const CodecContext& context) const override {
    return inner_->MakeSeekIndex(*Decompress(payload, context), context);
  }
  void DecodeBlock(absl::string_view payload, const CodecContext& context, const SeekIndex& index,
                   int64_t block, UpdateSink& sink) const override {
    inner_->DecodeBlock(*Decompress(payload, context), context, index, block, sink);
  }

 private:
  // DATA_LOSS: not one whole frame, or one of more bytes than the layout allows.
  absl::StatusOr<std::string> Decompress(absl::string_view payload,
                                         const CodecContext& context) const {
    // Nothing else is given to the library, which may also read frames of old versions.
    uint32_t magic = 0;
    std::memcpy(&magic, payload.data(), std::min(payload.size(), sizeof(magic)));
    if (magic != ZSTD_MAGICNUMBER) return absl::DataLossError("zstd: not a frame");
    const size_t frame = ZSTD_findFrameCompressedSize(payload.data(), payload.size());
    if (ZSTD_isError(frame)) {
      return absl::DataLossError(absl::StrCat("zstd: ", ZSTD_getErrorName(frame)));
    }
    if (frame != payload.size()) {
      return absl::DataLossError(
          absl::StrCat("trailing bytes: the zstd frame has ", frame, " bytes of ", payload.size()));
    }
    const unsigned long long said = ZSTD_getFrameContentSize(payload.data(), payload.size());
    const auto most = static_cast<unsigned long long>(layout_.MaxBytes(context));
    if (said > most) {  // also where it is not said
      return absl::InvalidArgumentError(absl::StrCat("the zstd frame says a content of ", said,
                                                     " bytes, expected at most ", most));
    }
    std::string inner(said, '\0');
    const size_t got = ZSTD_decompress(inner.data(), inner.size(), payload.data(), payload.size());
    if (ZSTD_isError(got)) {
      return absl::DataLossError(absl::StrCat("zstd: ", ZSTD_getErrorName(got)));
    }
    if (got != said) {
      return absl::DataLossError(absl::StrCat("the zstd frame holds ", got, " bytes, said ", said));
    }
    return inner;
  }

  const PayloadLayout layout_;
  const std::unique_ptr<Decoder> inner_;
};

}  // namespace

std::unique_ptr<Decoder> MakeZstdDecoder(const PayloadLayout& layout,
                                         std::unique_ptr<Decoder> inner) {
  return std::make_unique<ZstdDecoder>(layout, std::move(inner));
}

}  // namespace tern::compression
