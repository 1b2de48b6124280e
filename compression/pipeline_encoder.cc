#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/bit_packing.h"
#include "compression/bitmap.h"
#include "compression/magnitude.h"
#include "compression/pipeline.h"
#include "compression/rans.h"
#include "compression/rice.h"
#include "compression/rotation.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr int64_t kScratchAlignment = 64;

// Hands out the scratch, piece by piece; without any it only counts.
class ScratchPieces {
 public:
  explicit ScratchPieces(char* begin) : begin_(begin) {}

  template <typename T>
  T* Take(int64_t count) {
    T* const piece = begin_ == nullptr ? nullptr : reinterpret_cast<T*>(begin_ + taken_);
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    taken_ += (bytes + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
    return piece;
  }
  int64_t taken() const { return taken_; }

 private:
  char* begin_;
  int64_t taken_ = 0;
};

using SymbolCounts = std::array<int64_t, 256>;

struct Scratch {
  int32_t* indices;  // of the coordinates that are kept
  float* kept;       // their values
  char* of_sparsifier;
  float* rotated;    // one block
  uint8_t* symbols;  // of one chunk
  uint8_t* joined;   // of all chunks
  char* bitmap;
};

class PipelineEncoder final : public Encoder {
 public:
  PipelineEncoder(const Pipeline& pipeline, std::unique_ptr<Sparsifier> sparsifier,
                  std::unique_ptr<Quantizer> quantizer)
      : rotate_(pipeline.rotate),
        layout_(pipeline, quantizer->shape()),
        sparsifier_(std::move(sparsifier)),
        quantizer_(std::move(quantizer)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    ScratchPieces pieces(nullptr);
    TakeScratch(context, pieces);
    return pieces.taken();
  }
  int64_t MaxEncodedBytes(const CodecContext& context) const override {
    return layout_.MaxBytes(context);
  }
  int64_t MinEncodedBytes(const CodecContext& context) const override {
    return layout_.MinBytes(context);
  }

  absl::Status Encode(absl::Span<const float> values, const CodecContext& context,
                      absl::Span<char> scratch, ByteWriter& out) const override {
    TERN_CHECK(static_cast<int64_t>(values.size()) == context.count);
    ScratchPieces pieces(scratch.data());
    const Scratch buffers = TakeScratch(context, pieces);
    if (sparsifier_ == nullptr) return EncodeValues(values, context, buffers, out);
    if (context.count > kMaxSparseCount) {
      return absl::InvalidArgumentError(absl::StrCat(
          context.count, " coordinates, a sparse update takes at most ", kMaxSparseCount));
    }
    return EncodeSparse(values, context, buffers, out);
  }

 private:
  Scratch TakeScratch(const CodecContext& context, ScratchPieces& pieces) const {
    const int64_t kept = layout_.Kept(context).max;
    const int64_t chunk = std::min(layout_.chunk(), kept);
    const bool sparse = sparsifier_ != nullptr;
    const bool rans_bitmap = layout_.has_positions() && layout_.coder() == Coder::kRans;
    Scratch scratch;
    scratch.indices = pieces.Take<int32_t>(sparse ? kept : 0);
    scratch.kept = pieces.Take<float>(sparse ? kept : 0);
    scratch.of_sparsifier = pieces.Take<char>(sparse ? sparsifier_->ScratchBytes(context) : 0);
    scratch.rotated = pieces.Take<float>(rotate_ ? chunk : 0);
    scratch.symbols = pieces.Take<uint8_t>(WritesSymbolsInPlace() ? 0 : chunk);
    scratch.joined =
        pieces.Take<uint8_t>(layout_.symbols_by_rans() ? layout_.JoinedSymbolBytes(kept) : 0);
    scratch.bitmap = pieces.Take<char>(rans_bitmap ? BitmapBytes(context.count) : 0);
    return scratch;
  }

  absl::Status EncodeSparse(absl::Span<const float> values, const CodecContext& context,
                            const Scratch& scratch, ByteWriter& out) const {
    const KeptRange range = layout_.Kept(context);
    int64_t kept = 0;
    if (context.count > 0) {
      TERN_ASSIGN_OR_RETURN(
          kept, sparsifier_->Select(values, context,
                                    {scratch.of_sparsifier,
                                     static_cast<size_t>(sparsifier_->ScratchBytes(context))},
                                    {scratch.indices, static_cast<size_t>(range.max)}));
    }
    TERN_CHECK(kept >= range.min && kept <= range.max);
    const absl::Span<const int32_t> indices(scratch.indices, static_cast<size_t>(kept));
    sparsifier_->Gather(values, context, indices, scratch.kept);
    if (range.min != range.max) out.Write(static_cast<uint32_t>(kept));
    TERN_RETURN_IF_ERROR(
        EncodeValues({scratch.kept, static_cast<size_t>(kept)}, context, scratch, out));
    if (layout_.has_positions()) WritePositions(indices, context.count, scratch, out);
    return absl::OkStatus();
  }

  void WritePositions(absl::Span<const int32_t> indices, int64_t count, const Scratch& scratch,
                      ByteWriter& out) const {
    const PositionCounts counts{.kept = static_cast<int64_t>(indices.size()), .count = count};
    if (layout_.coder() == Coder::kBitpack) {
      WriteBitmap(indices, count, out.Extend(static_cast<size_t>(BitmapBytes(count))));
      return;
    }
    const bool rans = layout_.coder() == Coder::kRans;
    const int64_t room = rans ? MaxRansBytes(BitmapBytes(count)) : MaxRiceBytes(counts);
    char* const begin = out.Extend(static_cast<size_t>(room));
    const int64_t used = rans ? WriteRansBitmap(indices, counts, scratch.bitmap, begin)
                              : WriteRicePositions(indices, counts, begin);
    out.TakeBack(static_cast<size_t>(room - used));
  }

  // Header, parameters and symbols.
  absl::Status EncodeValues(absl::Span<const float> values, const CodecContext& context,
                            const Scratch& scratch, ByteWriter& out) const {
    const QuantizerShape& shape = layout_.shape();
    const auto count = static_cast<int64_t>(values.size());
    const int64_t before = shape.header_bytes + layout_.ParameterBytes(count);
    const int64_t packed = layout_.symbols_by_rans() ? 0 : layout_.PackedSymbolBytes(count);
    char* const header = out.Extend(static_cast<size_t>(before + packed));
    quantizer_->WriteHeader(values, header);

    RandomKey stream = context.key;
    stream.purpose = RandomPurpose::kEncode;
    RandomStream random(stream);
    SymbolCounts symbol_counts{};
    uint8_t* joined = scratch.joined;
    for (int64_t first = 0; first < count; first += layout_.chunk()) {
      const ValueBlock chunk{.values = values.data() + first,
                             .count = std::min(layout_.chunk(), count - first),
                             .first = first};
      char* const packed_to = header + before + layout_.PackedSymbolBytes(first);
      const Written written{
          .header = header,
          .parameters = header + shape.header_bytes + layout_.ParameterBytes(first),
          .symbols =
              WritesSymbolsInPlace() ? reinterpret_cast<uint8_t*>(packed_to) : scratch.symbols};
      TERN_RETURN_IF_ERROR(QuantizeChunk(chunk, written, context.key, random, scratch.rotated));
      const int64_t symbols = shape.Symbols(chunk.count);
      if (layout_.symbols_by_rans()) {
        joined = JoinChunk(scratch.symbols, symbols, joined, symbol_counts);
      } else if (!WritesSymbolsInPlace()) {
        PackBits(scratch.symbols, symbols, shape.bits, packed_to);
      }
    }
    if (layout_.symbols_by_rans() && count > 0) {
      WriteRans(symbol_counts, scratch.joined, joined - scratch.joined, out);
    }
    return absl::OkStatus();
  }

  // Symbols of whole bytes need no packing.
  bool WritesSymbolsInPlace() const {
    return layout_.shape().bits >= 8 && !layout_.symbols_by_rans();
  }

  // Returns where what was joined ends.
  uint8_t* JoinChunk(const uint8_t* symbols, int64_t count, uint8_t* joined,
                     SymbolCounts& counts) const {
    for (int64_t i = 0; i < count; ++i) ++counts[symbols[i]];
    JoinSymbols(symbols, count, layout_.shape().alphabet, joined);
    return joined + JoinedBytes(count, layout_.shape().alphabet);
  }

  struct Written {
    const char* header;
    char* parameters;
    uint8_t* symbols;
  };

  // Parameters and symbols of a chunk. `rotated`: room for a block, behind `rotate`.
  absl::Status QuantizeChunk(const ValueBlock& chunk, const Written& to, const RandomKey& key,
                             RandomStream& random, float* rotated) const {
    const QuantizerShape& shape = layout_.shape();
    constexpr float kLargestRotated = 0x1p100f;
    const absl::Span<const float> checked(chunk.values, static_cast<size_t>(chunk.count));
    if (sparsifier_ == nullptr) {  // which has checked them
      TERN_RETURN_IF_ERROR(
          CheckMagnitudes(checked, rotate_ ? kLargestRotated : kLargestFinite, chunk.first));
    }
    const float* values = chunk.values;
    if (rotate_) {
      std::copy(checked.begin(), checked.end(), rotated);
      Rotation(key).Forward(chunk.first / kRotationBlock, {rotated, checked.size()});
      values = rotated;
    }
    char* parameters = to.parameters;
    uint8_t* symbols = to.symbols;
    for (int64_t i = 0; i < chunk.count; i += shape.block) {
      const int64_t count = std::min(shape.block, chunk.count - i);
      TERN_RETURN_IF_ERROR(
          quantizer_->Quantize({.values = values + i, .count = count, .first = chunk.first + i},
                               to.header, key, random, parameters, symbols));
      parameters += shape.parameter_bytes;
      symbols += shape.Symbols(count) * (shape.bits > 8 ? shape.bits / 8 : 1);
    }
    return absl::OkStatus();
  }

  void WriteRans(const SymbolCounts& symbol_counts, const uint8_t* joined, int64_t count,
                 ByteWriter& out) const {
    const auto alphabet = static_cast<size_t>(layout_.shape().alphabet);
    std::array<double, 256> of;
    const absl::Span<double> probabilities(of.data(), alphabet);
    if (!quantizer_->Probabilities(probabilities)) {
      const int64_t room = MaxTableBytes(layout_.shape().alphabet);
      char* const table = out.Extend(static_cast<size_t>(room));
      const int64_t used =
          WriteTable(absl::MakeConstSpan(symbol_counts.data(), alphabet), table, probabilities);
      out.TakeBack(static_cast<size_t>(room - used));
    }
    const int64_t length_bytes = layout_.has_positions() ? int64_t{sizeof(uint32_t)} : 0;
    const int64_t room = length_bytes + MaxRansBytes(count);
    char* const begin = out.Extend(static_cast<size_t>(room));
    const int64_t used =
        RansEncode(joined, count, JoinedFrequencies(probabilities), begin + length_bytes);
    const auto length = static_cast<uint32_t>(used);
    std::memcpy(begin, &length, static_cast<size_t>(length_bytes));
    out.TakeBack(static_cast<size_t>(room - length_bytes - used));
  }

  const bool rotate_;
  const PayloadLayout layout_;
  const std::unique_ptr<Sparsifier> sparsifier_;  // null: dense
  const std::unique_ptr<Quantizer> quantizer_;
};

}  // namespace

std::unique_ptr<Encoder> MakePipelineEncoder(const Pipeline& pipeline,
                                             std::unique_ptr<Sparsifier> sparsifier,
                                             std::unique_ptr<Quantizer> quantizer) {
  return std::make_unique<PipelineEncoder>(pipeline, std::move(sparsifier), std::move(quantizer));
}

}  // namespace tern::compression
