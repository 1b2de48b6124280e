#include <algorithm>
#include <bit>

#include "compression/randk.h"

namespace tern::compression {
namespace {

// The numbers from `from` on, less than `end`, that are in the subset, plus `offset`, to `indices`,
// as far as there is room; returns how many.
size_t ReadBits(const SubsetBitmap& bitmap, int64_t from, int64_t end, int64_t offset,
                absl::Span<int32_t> indices) {
  size_t number = 0;
  for (int64_t word = from / 64; word * 64 < end; ++word) {
    uint64_t bits = bitmap[static_cast<size_t>(word)];
    if (word == from / 64) bits &= ~uint64_t{0} << (from % 64);
    for (; bits != 0; bits &= bits - 1) {
      const int64_t found = word * 64 + std::countr_zero(bits);
      if (found >= end || number == indices.size()) return number;
      indices[number++] = static_cast<int32_t>(offset + found);
    }
  }
  return number;
}

class RandKReader final : public PositionReader {
 public:
  RandKReader(double fraction, const CodecContext& context)
      : fraction_(fraction), key_(context.key), count_(context.count) {}

  absl::Status Check() const override { return absl::OkStatus(); }

  int64_t Read(PositionState& state, int64_t end, absl::Span<int32_t> indices) const override {
    end = std::min(end, count_);
    size_t read = 0;
    while (state.next < end && read < indices.size()) {
      const int64_t index = state.next / kRandKStratum;
      const RandKStratum stratum(fraction_, count_, index);
      const int64_t until = std::min(end, stratum.end);
      if (drawn_ != index) {
        DrawSubsetBitmap(key_, index, stratum.end - stratum.begin, stratum.kept, bitmap_);
        drawn_ = index;
      }
      read += ReadBits(bitmap_, state.next - stratum.begin, until - stratum.begin, stratum.begin,
                       indices.subspan(read));
      state.next = read == indices.size() ? indices[read - 1] + int64_t{1} : until;
    }
    return static_cast<int64_t>(read);
  }

 private:
  const double fraction_;
  const RandomKey key_;
  const int64_t count_;
  mutable int64_t drawn_ = -1;  // the stratum whose subset is in bitmap_
  mutable SubsetBitmap bitmap_;
};

}  // namespace

std::unique_ptr<PositionReader> MakeRandKReader(const StageSpec& stage,
                                                const CodecContext& context) {
  return std::make_unique<RandKReader>(stage.arguments[0], context);
}

}  // namespace tern::compression
