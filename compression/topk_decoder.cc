#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "compression/magnitude.h"
#include "compression/topk.h"
#include "core/base/status_macros.h"

namespace tern::compression {
namespace {

constexpr int kMaxVarintBytes = 5;  // of 32 bits

// Reads the varint at `position` and moves behind it. DATA_LOSS: the payload ends in it.
// INVALID_ARGUMENT: more than 32 bits, or not the shortest form.
absl::StatusOr<uint32_t> ReadVarint(absl::string_view payload, size_t& position) {
  uint64_t number = 0;
  for (int i = 0; i < kMaxVarintBytes; ++i) {
    if (position == payload.size()) {
      return absl::DataLossError(absl::StrCat("truncated: payload of ", payload.size(),
                                              " bytes, expected more behind its gaps"));
    }
    const auto byte = static_cast<unsigned char>(payload[position++]);
    number |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte >= 0x80) continue;
    if (byte == 0 && i > 0) return absl::InvalidArgumentError("is not in its shortest form");
    if (number > 0xFFFFFFFF) break;
    return static_cast<uint32_t>(number);
  }
  return absl::InvalidArgumentError("has more than 32 bits");
}

// Kept coordinates of a payload whose gaps were checked, block by block.
class KeptReader {
 public:
  KeptReader(absl::string_view payload, int64_t kept)
      : payload_(payload),
        left_(kept),
        value_position_(payload.size() - static_cast<size_t>(kept) * sizeof(float)) {}

  // Reads the next block, at most kBlock coordinates; false if there are no more.
  bool Next() {
    size_ = static_cast<size_t>(std::min(kBlock, left_));
    for (size_t i = 0; i < size_; ++i) {
      next_index_ += static_cast<int32_t>(*ReadVarint(payload_, gap_position_));
      indices_[i] = next_index_++;
    }
    // The payload may start at any address, so floats are copied out of it before they are read.
    std::memcpy(values_.data(), payload_.data() + value_position_, size_ * sizeof(float));
    value_position_ += size_ * sizeof(float);
    left_ -= static_cast<int64_t>(size_);
    return size_ > 0;
  }

  absl::Span<const int32_t> indices() const { return absl::MakeConstSpan(indices_.data(), size_); }
  absl::Span<const float> values() const { return absl::MakeConstSpan(values_.data(), size_); }

 private:
  const absl::string_view payload_;
  int64_t left_;
  size_t gap_position_ = kTopKHeaderBytes;
  size_t value_position_;
  int32_t next_index_ = 0;
  size_t size_ = 0;
  std::array<int32_t, kBlock> indices_;
  std::array<float, kBlock> values_;
};

// Checks the gaps, and that what follows them is `kept` floats.
absl::Status CheckGaps(absl::string_view payload, int64_t kept, int64_t count) {
  size_t position = kTopKHeaderBytes;
  int64_t next_index = 0;
  for (int64_t i = 0; i < kept; ++i) {
    const absl::StatusOr<uint32_t> gap = ReadVarint(payload, position);
    if (absl::IsDataLoss(gap.status())) return gap.status();
    if (!gap.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("gap ", i, " of ", kept, " ", gap.status().message()));
    }
    next_index += int64_t{*gap} + 1;
    if (next_index > count) {
      return absl::InvalidArgumentError(absl::StrCat("gap ", i, " of ", kept,
                                                     " leads to coordinate ", next_index - 1,
                                                     ", expected below ", count));
    }
  }
  return CheckPayloadSize(
      static_cast<int64_t>(payload.size()),
      static_cast<int64_t>(position) + kept * static_cast<int64_t>(sizeof(float)), count);
}

class TopKDecoder final : public Decoder {
 public:
  explicit TopKDecoder(double fraction) : fraction_(fraction) {}

  absl::Status Validate(absl::string_view payload, const DecodeLimits& limits) const override {
    if (limits.count > kTopKMaxCount) {
      return absl::InvalidArgumentError(
          absl::StrCat(limits.count, " coordinates, topk takes at most ", kTopKMaxCount));
    }
    const int64_t kept = TopKKept(fraction_, limits.count);
    const auto size = static_cast<int64_t>(payload.size());
    if (size < TopKMinBytes(kept)) return CheckPayloadSize(size, TopKMinBytes(kept), limits.count);
    uint32_t said;
    std::memcpy(&said, payload.data(), sizeof(said));
    if (said != kept) {
      return absl::InvalidArgumentError(
          absl::StrCat("keeps ", said, " coordinates, expected ", kept, " of ", limits.count));
    }
    TERN_RETURN_IF_ERROR(CheckGaps(payload, kept, limits.count));
    return CheckValues(payload, kept, limits.max_abs_value);
  }

  void DecodeInto(absl::string_view payload, int64_t count, UpdateSink& sink) const override {
    KeptReader reader(payload, TopKKept(fraction_, count));
    while (reader.Next()) sink.AddSparse(reader.indices(), reader.values());
  }

 private:
  static absl::Status CheckValues(absl::string_view payload, int64_t kept, float max_abs_value) {
    KeptReader reader(payload, kept);
    while (reader.Next()) {
      if (CheckMagnitudes(reader.values(), max_abs_value, 0).ok()) continue;
      for (size_t i = 0; i < reader.values().size(); ++i) {
        TERN_RETURN_IF_ERROR(
            CheckMagnitudes(reader.values().subspan(i, 1), max_abs_value, reader.indices()[i]));
      }
    }
    return absl::OkStatus();
  }

  const double fraction_;
};

}  // namespace

std::unique_ptr<Decoder> MakeTopKDecoder(const StageSpec& stage) {
  return std::make_unique<TopKDecoder>(stage.arguments[0]);
}

}  // namespace tern::compression
