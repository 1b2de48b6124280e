#define ZSTD_STATIC_LINKING_ONLY  // contexts in memory of the caller
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/zstd.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr int kDefaultLevel = 3;

int64_t Aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

class ZstdEncoder final : public Encoder {
 public:
  ZstdEncoder(int level, std::unique_ptr<Encoder> inner)
      : level_(level), inner_(std::move(inner)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    return Aligned(WorkspaceBytes()) + inner_->ScratchBytes(context);
  }
  int64_t MaxEncodedBytes(const CodecContext& context) const override {
    const int64_t inner = inner_->MaxEncodedBytes(context);
    // The inner payload lies behind what it is compressed to, until it is.
    return inner + static_cast<int64_t>(ZSTD_compressBound(static_cast<size_t>(inner)));
  }
  int64_t MinEncodedBytes(const CodecContext& /*context*/) const override {
    return ZSTD_FRAMEHEADERSIZE_MIN(ZSTD_f_zstd1);
  }

  absl::Status Encode(absl::Span<const float> values, const CodecContext& context,
                      absl::Span<char> scratch, ByteWriter& out) const override {
    const auto bound = ZSTD_compressBound(static_cast<size_t>(inner_->MaxEncodedBytes(context)));
    const size_t begin = out.size();
    out.Extend(bound);
    const auto workspace = static_cast<size_t>(Aligned(WorkspaceBytes()));
    TERN_RETURN_IF_ERROR(inner_->Encode(values, context, scratch.subspan(workspace), out));
    const size_t inner_bytes = out.size() - begin - bound;
    char* const to = out.Extend(0) - inner_bytes - bound;
    ZSTD_CCtx* const compressor = ZSTD_initStaticCCtx(scratch.data(), workspace);
    TERN_CHECK(compressor != nullptr);
    const size_t used = ZSTD_compressCCtx(compressor, to, bound, to + bound, inner_bytes, level_);
    if (ZSTD_isError(used)) {
      return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(used)));
    }
    out.TakeBack(bound - used + inner_bytes);
    return absl::OkStatus();
  }

 private:
  int64_t WorkspaceBytes() const { return static_cast<int64_t>(ZSTD_estimateCCtxSize(level_)); }

  const int level_;
  const std::unique_ptr<Encoder> inner_;
};

}  // namespace

std::unique_ptr<Encoder> MakeZstdEncoder(const StageSpec& stage, std::unique_ptr<Encoder> inner) {
  const int level = stage.arguments.empty() ? kDefaultLevel : static_cast<int>(stage.arguments[0]);
  return std::make_unique<ZstdEncoder>(level, std::move(inner));
}

}  // namespace tern::compression
