#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "compression/bit_packing.h"
#include "compression/bitmap.h"
#include "compression/magnitude.h"
#include "compression/pipeline.h"
#include "compression/randk.h"
#include "compression/rans.h"
#include "compression/rice.h"
#include "compression/rotation.h"
#include "compression/seek.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

absl::Status Truncated(absl::string_view payload, int64_t expected) {
  return absl::DataLossError(absl::StrCat("truncated: payload of ", payload.size(),
                                          " bytes, expected at least ", expected));
}

// A payload, taken apart. The views are into the payload.
struct Parts {
  int64_t kept = 0;  // values that are sent
  const char* header = nullptr;
  const char* parameters = nullptr;
  absl::string_view symbols;  // packed
  std::optional<RansDecoder> rans;
  std::unique_ptr<PositionReader> positions;  // null: dense
};

// Memory of one call.
struct Buffers {
  Buffers(const PayloadLayout& layout, int64_t kept, bool sparse)
      : values(static_cast<size_t>(std::min(layout.chunk(), kept))),
        symbols(layout.shape().bits <= 8 ? values.size() : 0),
        joined(layout.symbols_by_rans() ? values.size() : 0),
        indices(sparse ? values.size() : 0) {}

  static int64_t Bytes(const PayloadLayout& layout, int64_t kept, bool sparse) {
    const int64_t values = std::min(layout.chunk(), kept);
    return values * (4 + (layout.shape().bits <= 8 ? 1 : 0) + (layout.symbols_by_rans() ? 1 : 0) +
                     (sparse ? 4 : 0));
  }

  std::vector<float> values;
  std::vector<uint8_t> symbols;
  std::vector<uint8_t> joined;
  std::vector<int32_t> indices;
};

class PipelineDecoder final : public Decoder {
 public:
  PipelineDecoder(const Pipeline& pipeline, std::unique_ptr<Dequantizer> dequantizer)
      : rotate_(pipeline.rotate),
        sparsifier_(pipeline.sparsifier),
        layout_(pipeline, dequantizer->shape()),
        dequantizer_(std::move(dequantizer)) {}

  int64_t ScratchBytes(const CodecContext& context) const override {
    const int64_t tables = (layout_.symbols_by_rans() ? 1 : 0) +
                           (layout_.has_positions() && layout_.coder() == Coder::kRans ? 1 : 0);
    return Buffers::Bytes(layout_, layout_.Kept(context).max, sparsifier_.has_value()) +
           tables * RansDecoder::kTableBytes;
  }

  absl::Status Validate(absl::string_view payload, const CodecContext& context,
                        float max_abs_value) const override {
    if (sparsifier_.has_value() && context.count > kMaxSparseCount) {
      return absl::InvalidArgumentError(absl::StrCat(
          context.count, " coordinates, a sparse update takes at most ", kMaxSparseCount));
    }
    TERN_ASSIGN_OR_RETURN(const Parts parts, Take(payload, context));
    if (parts.positions != nullptr) TERN_RETURN_IF_ERROR(parts.positions->Check());
    // An infinite product is refused even where the limit is infinite.
    return CheckValues(parts, context, std::min(max_abs_value, kLargestFinite));
  }

  void DecodeInto(absl::string_view payload, const CodecContext& context,
                  UpdateSink& sink) const override {
    const Parts parts = *Take(payload, context);
    DecodeRange(parts, Begin(parts), context, {0, context.count}, sink);
  }

  SeekIndex MakeSeekIndex(absl::string_view payload, const CodecContext& context) const override {
    const Parts parts = *Take(payload, context);
    Buffers buffers(layout_, parts.kept, sparsifier_.has_value());
    SeekIndex index;
    SeekPoint point = Begin(parts);
    for (int64_t end = kSeekBlock; end - kSeekBlock < context.count; end += kSeekBlock) {
      index.push_back(point);
      const int64_t before = point.value;
      point.value = parts.positions == nullptr
                        ? std::min(end, parts.kept)
                        : before + SkipPositions(*parts.positions, end, point, buffers);
      if (!parts.rans.has_value()) continue;
      for (int64_t c = before / layout_.chunk(); c < point.value / layout_.chunk(); ++c) {
        ReadSymbols(parts, c * layout_.chunk(), point.symbols, buffers);
      }
    }
    return index;
  }

  void DecodeBlock(absl::string_view payload, const CodecContext& context, const SeekIndex& index,
                   int64_t block, UpdateSink& sink) const override {
    const Parts parts = *Take(payload, context);
    const int64_t begin = block * kSeekBlock;
    DecodeRange(parts, index[static_cast<size_t>(block)], context,
                {begin, std::min(begin + kSeekBlock, context.count)}, sink);
  }

 private:
  struct Range {
    int64_t begin;
    int64_t end;
  };

  // Finds the parts and checks that they are there.
  absl::StatusOr<Parts> Take(absl::string_view payload, const CodecContext& context) const {
    Parts parts;
    absl::string_view left = payload;
    const KeptRange range = layout_.Kept(context);
    parts.kept = range.max;
    if (range.min != range.max) {
      uint32_t kept;
      if (left.size() < sizeof(kept)) return Truncated(payload, sizeof(kept));
      std::memcpy(&kept, left.data(), sizeof(kept));
      left.remove_prefix(sizeof(kept));
      if (kept > range.max) {
        return absl::InvalidArgumentError(
            absl::StrCat("keeps ", kept, " coordinates, expected at most ", range.max));
      }
      parts.kept = kept;
    }
    const QuantizerShape& shape = layout_.shape();
    const int64_t before = shape.header_bytes + layout_.ParameterBytes(parts.kept);
    if (static_cast<int64_t>(left.size()) < before) return Truncated(payload, before);
    parts.header = left.data();
    parts.parameters = left.data() + shape.header_bytes;
    left.remove_prefix(static_cast<size_t>(before));
    TERN_RETURN_IF_ERROR(dequantizer_->CheckHeader(parts.header));
    const absl::string_view header(parts.header, static_cast<size_t>(shape.header_bytes));
    if (parts.kept == 0 && header.find_first_not_of('\0') != absl::string_view::npos) {
      return absl::InvalidArgumentError("the header of no values is not 0");
    }
    TERN_RETURN_IF_ERROR(TakeSymbols(payload, left, parts));
    TERN_RETURN_IF_ERROR(TakePositions(left, context, parts));
    return parts;
  }

  absl::Status TakeSymbols(absl::string_view payload, absl::string_view& left, Parts& parts) const {
    if (parts.kept == 0) return absl::OkStatus();
    if (layout_.symbols_by_rans()) return TakeRans(payload, left, parts);
    const int64_t packed = layout_.PackedSymbolBytes(parts.kept);
    if (static_cast<int64_t>(left.size()) < packed) {
      return Truncated(payload, static_cast<int64_t>(payload.size() - left.size()) + packed);
    }
    parts.symbols = left.substr(0, static_cast<size_t>(packed));
    left.remove_prefix(parts.symbols.size());
    const int bits = layout_.shape().bits;
    if (bits > 8 || PaddingIsZero(parts.symbols.data(), layout_.Symbols(parts.kept), bits)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError("bits behind the last symbol are not 0");
  }

  absl::Status TakeRans(absl::string_view payload, absl::string_view& left, Parts& parts) const {
    std::array<double, 256> of;
    const absl::Span<double> probabilities(of.data(),
                                           static_cast<size_t>(layout_.shape().alphabet));
    if (!dequantizer_->Probabilities(probabilities)) {
      TERN_ASSIGN_OR_RETURN(const int64_t table_bytes, ReadTable(left, probabilities));
      left.remove_prefix(static_cast<size_t>(table_bytes));
    }
    size_t length = left.size();
    if (layout_.has_positions()) {
      uint32_t said;
      if (left.size() < sizeof(said)) {
        return Truncated(payload, static_cast<int64_t>(payload.size() + sizeof(said)));
      }
      std::memcpy(&said, left.data(), sizeof(said));
      left.remove_prefix(sizeof(said));
      if (left.size() < said) {
        return Truncated(payload, static_cast<int64_t>(payload.size() - left.size()) + said);
      }
      length = said;
    }
    parts.rans.emplace(left.substr(0, length), layout_.JoinedSymbolBytes(parts.kept),
                       JoinedFrequencies(probabilities));
    left.remove_prefix(length);
    RansState state;
    return parts.rans->Begin(state);
  }

  absl::Status TakePositions(absl::string_view left, const CodecContext& context,
                             Parts& parts) const {
    const PositionCounts counts{.kept = parts.kept, .count = context.count};
    if (!layout_.has_positions()) {
      if (sparsifier_.has_value()) parts.positions = MakeRandKReader(*sparsifier_, context);
      if (left.empty()) return absl::OkStatus();
      return absl::DataLossError(absl::StrCat("trailing bytes: ", left.size(), " at the end"));
    }
    if (layout_.coder() == Coder::kBitpack) {
      parts.positions = MakeBitmapReader(left, counts);
    } else if (layout_.coder() == Coder::kRans) {
      parts.positions = MakeRansBitmapReader(left, counts);
    } else {
      parts.positions = MakeRiceReader(left, counts);
    }
    return absl::OkStatus();
  }

  static SeekPoint Begin(const Parts& parts) {
    SeekPoint point;
    if (parts.rans.has_value()) TERN_CHECK(parts.rans->Begin(point.symbols).ok());
    return point;
  }

  // Moves `point` behind the positions below `end`; returns how many.
  static int64_t SkipPositions(const PositionReader& reader, int64_t end, SeekPoint& point,
                               Buffers& buffers) {
    int64_t skipped = 0;
    for (;;) {
      const int64_t read = reader.Read(point.positions, end, absl::MakeSpan(buffers.indices));
      skipped += read;
      if (read == 0 || read < static_cast<int64_t>(buffers.indices.size())) return skipped;
    }
  }

  // The symbols of the chunk that begins with value `first`. `state` stands at it.
  const uint8_t* ReadSymbols(const Parts& parts, int64_t first, RansState& state,
                             Buffers& buffers) const {
    const QuantizerShape& shape = layout_.shape();
    const int64_t count = shape.Symbols(std::min(layout_.chunk(), parts.kept - first));
    if (parts.rans.has_value()) {
      const int64_t bytes = JoinedBytes(count, shape.alphabet);
      parts.rans->Read(state, bytes, buffers.joined.data());
      SplitSymbols(buffers.joined.data(), count, shape.alphabet, buffers.symbols.data());
      return buffers.symbols.data();
    }
    const char* const from = parts.symbols.data() + layout_.PackedSymbolBytes(first);
    if (shape.bits >= 8) return reinterpret_cast<const uint8_t*>(from);
    UnpackBits(from, count, shape.bits, buffers.symbols.data());
    return buffers.symbols.data();
  }

  // Calls `use` with each block of a chunk, and where in the chunk it begins.
  template <typename Use>
  absl::Status ForEachBlock(const Parts& parts, int64_t first, const uint8_t* symbols,
                            const Use& use) const {
    const QuantizerShape& shape = layout_.shape();
    const int64_t size = std::min(layout_.chunk(), parts.kept - first);
    const char* parameters = parts.parameters + layout_.ParameterBytes(first);
    for (int64_t i = 0; i < size; i += shape.block) {
      const int64_t count = std::min(shape.block, size - i);
      TERN_RETURN_IF_ERROR(use(SymbolBlock{.header = parts.header,
                                           .parameters = parameters,
                                           .symbols = symbols,
                                           .count = count,
                                           .first = first + i},
                               i));
      parameters += shape.parameter_bytes;
      symbols += shape.Symbols(count) * (shape.bits > 8 ? shape.bits / 8 : 1);
    }
    return absl::OkStatus();
  }

  // Fills buffers.values with the values of a chunk.
  void Dequantize(const Parts& parts, int64_t first, const RandomKey& key, RansState& state,
                  Buffers& buffers) const {
    const uint8_t* const symbols = ReadSymbols(parts, first, state, buffers);
    (void)ForEachBlock(parts, first, symbols, [&](const SymbolBlock& block, int64_t at) {
      dequantizer_->Dequantize(block, key, buffers.values.data() + at);
      return absl::OkStatus();
    });
  }

  absl::Status CheckValues(const Parts& parts, const CodecContext& context,
                           float max_abs_value) const {
    Buffers buffers(layout_, parts.kept, /*sparse=*/false);
    RansState state = Begin(parts).symbols;
    const Rotation rotation(context.key);
    const auto check = [&](const SymbolBlock& block, int64_t at) {
      const absl::Status status =
          dequantizer_->Check(block, rotate_ ? kLargestFinite : max_abs_value);
      if (rotate_ && status.ok()) {
        dequantizer_->Dequantize(block, context.key, buffers.values.data() + at);
      }
      return status;
    };
    for (int64_t first = 0; first < parts.kept; first += layout_.chunk()) {
      const uint8_t* const symbols = ReadSymbols(parts, first, state, buffers);
      TERN_RETURN_IF_ERROR(ForEachBlock(parts, first, symbols, check));
      if (!rotate_) continue;
      const auto count = static_cast<size_t>(std::min(layout_.chunk(), parts.kept - first));
      rotation.Inverse(first / kRotationBlock, {buffers.values.data(), count});
      TERN_RETURN_IF_ERROR(CheckMagnitudes({buffers.values.data(), count}, max_abs_value, first));
    }
    return parts.rans.has_value() ? parts.rans->CheckEnd(state) : absl::OkStatus();
  }

  void DecodeRange(const Parts& parts, const SeekPoint& from, const CodecContext& context,
                   const Range& range, UpdateSink& sink) const {
    Buffers buffers(layout_, parts.kept, sparsifier_.has_value());
    if (parts.positions != nullptr) {
      DecodeSparse(parts, from, context.key, range.end, buffers, sink);
      return;
    }
    const Rotation rotation(context.key);
    RansState state = from.symbols;
    for (int64_t first = range.begin; first < range.end; first += layout_.chunk()) {
      Dequantize(parts, first, context.key, state, buffers);
      const auto count = static_cast<size_t>(std::min(layout_.chunk(), range.end - first));
      const absl::Span<float> values(buffers.values.data(), count);
      if (rotate_ && sink.TakesRotated()) {
        sink.AddRotated(rotation, first, values);
        continue;
      }
      if (rotate_) rotation.Inverse(first / kRotationBlock, values);
      sink.Add(first, values);
    }
  }

  void DecodeSparse(const Parts& parts, const SeekPoint& from, const RandomKey& key, int64_t end,
                    Buffers& buffers, UpdateSink& sink) const {
    PositionState positions = from.positions;
    RansState state = from.symbols;
    int64_t value = from.value;
    while (value < parts.kept) {
      const int64_t chunk = value / layout_.chunk() * layout_.chunk();
      Dequantize(parts, chunk, key, state, buffers);
      const int64_t left = std::min(layout_.chunk(), parts.kept - chunk) - (value - chunk);
      const int64_t read = parts.positions->Read(
          positions, end, {buffers.indices.data(), static_cast<size_t>(left)});
      const auto count = static_cast<size_t>(read);
      sink.AddSparse({buffers.indices.data(), count},
                     {buffers.values.data() + (value - chunk), count});
      value += read;
      if (read < left) return;
    }
  }

  const bool rotate_;
  const std::optional<StageSpec> sparsifier_;
  const PayloadLayout layout_;
  const std::unique_ptr<Dequantizer> dequantizer_;
};

}  // namespace

std::unique_ptr<Decoder> MakePipelineDecoder(const Pipeline& pipeline,
                                             std::unique_ptr<Dequantizer> dequantizer) {
  return std::make_unique<PipelineDecoder>(pipeline, std::move(dequantizer));
}

}  // namespace tern::compression
