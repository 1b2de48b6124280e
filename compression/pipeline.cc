#include "compression/pipeline.h"

#include <algorithm>

#include "compression/bit_packing.h"
#include "compression/bitmap.h"
#include "compression/randk.h"
#include "compression/rans.h"
#include "compression/rice.h"
#include "compression/threshold.h"
#include "compression/topk.h"

namespace tern::compression {
namespace {

constexpr int64_t kUnrotatedChunk = 1024;
constexpr int64_t kLengthBytes = sizeof(uint32_t);

}  // namespace

PayloadLayout::PayloadLayout(const Pipeline& pipeline, const QuantizerShape& shape)
    : sparsifier_(pipeline.sparsifier),
      shape_(shape),
      coder_(pipeline.coder),
      chunk_(pipeline.rotate ? kMaxBlock : kUnrotatedChunk),
      symbols_by_rans_(pipeline.coder == Coder::kRans && shape.alphabet > 2),
      has_positions_(pipeline.SendsPositions()) {}

KeptRange PayloadLayout::Kept(const CodecContext& context) const {
  if (!sparsifier_.has_value() || context.count == 0) return {context.count, context.count};
  if (sparsifier_->name == "randk") return RandKKept(*sparsifier_, context);
  if (sparsifier_->name == "topk") return TopKKept(*sparsifier_, context);
  return ThresholdKept(context);
}

int64_t PayloadLayout::ParameterBytes(int64_t count) const {
  return (count + shape_.block - 1) / shape_.block * shape_.parameter_bytes;
}

int64_t PayloadLayout::Symbols(int64_t count) const {
  return count / chunk_ * shape_.Symbols(chunk_) + shape_.Symbols(count % chunk_);
}

int64_t PayloadLayout::PackedSymbolBytes(int64_t count) const {
  return PackedBytes(Symbols(count), shape_.bits);
}

int64_t PayloadLayout::JoinedSymbolBytes(int64_t count) const {
  return count / chunk_ * JoinedBytes(shape_.Symbols(chunk_), shape_.alphabet) +
         JoinedBytes(shape_.Symbols(count % chunk_), shape_.alphabet);
}

int64_t PayloadLayout::MaxValueBytes(int64_t kept) const {
  const int64_t before = shape_.header_bytes + ParameterBytes(kept);
  if (kept == 0) return before;
  if (!symbols_by_rans_) return before + PackedSymbolBytes(kept);
  return before + MaxTableBytes(shape_.alphabet) + kLengthBytes +
         MaxRansBytes(JoinedSymbolBytes(kept));
}

int64_t PayloadLayout::MinValueBytes(int64_t kept) const {
  const int64_t before = shape_.header_bytes + ParameterBytes(kept);
  if (kept == 0) return before;
  if (!symbols_by_rans_) return before + PackedSymbolBytes(kept);
  return before + MinRansBytes(JoinedSymbolBytes(kept));
}

int64_t PayloadLayout::MaxPositionBytes(int64_t kept, int64_t count) const {
  if (!has_positions_) return 0;
  if (coder_ == Coder::kBitpack) return BitmapBytes(count);
  if (coder_ == Coder::kRans) return MaxRansBytes(BitmapBytes(count));
  return MaxRiceBytes({.kept = kept, .count = count});
}

int64_t PayloadLayout::MinPositionBytes(int64_t kept, int64_t count) const {
  if (!has_positions_) return 0;
  if (coder_ == Coder::kBitpack) return BitmapBytes(count);
  if (coder_ == Coder::kRans) return MinRansBytes(BitmapBytes(count));
  return MinRiceBytes({.kept = kept, .count = count});
}

int64_t PayloadLayout::MaxBytes(const CodecContext& context) const {
  const KeptRange kept = Kept(context);
  if (kept.min == kept.max) {
    return MaxValueBytes(kept.max) + MaxPositionBytes(kept.max, context.count);
  }
  // With parameter 0 `rice` takes one bit for each coordinate, kept or left out; with the one that
  // it chooses, no more.
  const bool by_rice = coder_ != Coder::kRans && coder_ != Coder::kBitpack;
  const int64_t positions = by_rice ? kRiceHeaderBytes + BitmapBytes(context.count)
                                    : MaxPositionBytes(kept.max, context.count);
  return kLengthBytes + MaxValueBytes(kept.max) + positions;
}

int64_t PayloadLayout::MinBytes(const CodecContext& context) const {
  const KeptRange kept = Kept(context);
  const int64_t bytes = MinValueBytes(kept.min) + MinPositionBytes(kept.min, context.count);
  return kept.min == kept.max ? bytes : kLengthBytes + bytes;
}

}  // namespace tern::compression
