#include "aggregation/robust/update_blocks.h"

#include <algorithm>
#include <limits>

#include "compression/mapped_sink.h"
#include "core/base/check.h"

namespace tern::aggregation {
namespace {

using compression::kSeekBlock;

constexpr int64_t kLeastStripFloats = 65536;

// A power of two up to kSeekBlock, so that each block of an update that sends all coordinates is
// decoded for as few strips as memory allows.
int64_t WidthOfStrips(int64_t updates, int64_t count) {
  const int64_t floats = std::max(count, kLeastStripFloats);
  int64_t width = kSeekBlock;
  while (width > kStripUnit && (width >= 2 * count || width > floats / updates)) width /= 2;
  return width;
}

// Half of the model's bytes.
int64_t NumKeptPoints(int64_t updates, int64_t count) {
  const int64_t bytes = std::max(count, kLeastStripFloats) * int64_t{sizeof(float)} / 2;
  return std::max<int64_t>(1, bytes / (updates * int64_t{sizeof(compression::SeekPoint)}));
}

bool SendsMasked(const KeptUpdate& update) {
  if (update.context.mask == nullptr) return false;
  const auto spec = compression::ParseCodec(update.codec);
  TERN_CHECK(spec.ok());
  return spec->stages.front().name == "mask";
}

// Takes of an update what lies in one strip. Adding +0 makes -0 to +0: two equal zeros then have
// the same bits, whichever is sorted first.
class StripSink final : public compression::UpdateSink {
 public:
  StripSink(int64_t begin, int64_t end, float* row) : begin_(begin), end_(end), row_(row) {}

  void Add(int64_t offset, absl::Span<const float> values) override {
    const int64_t first = std::max(offset, begin_);
    const int64_t end = std::min(offset + static_cast<int64_t>(values.size()), end_);
    if (first >= end) return;
    const float* const from = values.data() + (first - offset);
    float* const to = row_ + (first - begin_);
    for (int64_t i = 0; i < end - first; ++i) to[i] = from[i] + 0.0f;
  }

  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    for (size_t i = 0; i < indices.size(); ++i) {
      const int64_t index = indices[i];
      if (index >= begin_ && index < end_) row_[index - begin_] = values[i] + 0.0f;
    }
  }

 private:
  const int64_t begin_;
  const int64_t end_;
  float* const row_;
};

}  // namespace

UpdateBlocks::Runs::Runs(const CoordinateSet& of) : runs(of.runs) {
  packed_begin.reserve(runs.size());
  int64_t packed = 0;
  for (const CoordinateRun& run : runs) {
    packed_begin.push_back(packed);
    packed += run.size;
  }
}

size_t UpdateBlocks::Runs::FirstBehind(int64_t begin) const {
  const auto* const run = std::partition_point(
      runs.begin(), runs.end(),
      [begin](const CoordinateRun& of) { return of.begin + of.size <= begin; });
  return static_cast<size_t>(run - runs.begin());
}

int64_t UpdateBlocks::Runs::PackedBefore(int64_t full) const {
  if (runs.empty()) return 0;
  const size_t run = FirstBehind(full);
  if (run == runs.size()) return packed_begin.back() + runs.back().size;
  return packed_begin[run] + std::max<int64_t>(0, full - runs[run].begin);
}

UpdateBlocks::Range UpdateBlocks::Runs::Packed(const Range& full) const {
  return {PackedBefore(full.begin), PackedBefore(full.end)};
}

UpdateBlocks::UpdateBlocks(absl::Span<const KeptUpdate> updates, int64_t count)
    : count_(count),
      width_(WidthOfStrips(static_cast<int64_t>(updates.size()), count)),
      kept_points_(NumKeptPoints(static_cast<int64_t>(updates.size()), count)),
      values_(updates.size() * static_cast<size_t>(width_)),
      holders_(static_cast<size_t>(width_)),
      index_(static_cast<size_t>((count + kSeekBlock - 1) / kSeekBlock)) {
  sources_.reserve(updates.size());
  for (const KeptUpdate& update : updates) {
    sources_.push_back({.update = &update,
                        .coordinates = RunsOf(update.coordinates.get()),
                        .mask = SendsMasked(update) ? RunsOf(update.context.mask) : nullptr,
                        .points = {},
                        .first = 0});
  }
}

bool UpdateBlocks::Next() {
  const Range range = {strip_.begin + strip_.size,
                       std::min(strip_.begin + strip_.size + width_, count_)};
  strip_ = {};
  if (range.begin == range.end) return false;
  std::fill(holders_.begin(), holders_.end(), 0);
  for (size_t i = 0; i < sources_.size(); ++i) {
    ReadRow(sources_[i], range, values_.data() + i * static_cast<size_t>(width_));
  }
  const int64_t size = range.end - range.begin;
  strip_ = {.begin = range.begin,
            .size = size,
            .stride = width_,
            .values = values_,
            .holders = absl::MakeConstSpan(holders_).first(static_cast<size_t>(size))};
  return true;
}

const UpdateBlocks::Runs* UpdateBlocks::RunsOf(const CoordinateSet* set) {
  if (set == nullptr) return nullptr;
  return &runs_.try_emplace(set, *set).first->second;
}

void UpdateBlocks::ReadRow(Source& source, const Range& range, float* row) {
  const KeptUpdate& update = *source.update;
  FillHeld(source, range, row);
  Range sent = source.coordinates == nullptr ? range : source.coordinates->Packed(range);
  if (source.mask != nullptr) sent = source.mask->Packed(sent);
  if (sent.begin == sent.end) return;
  StripSink strip(range.begin, range.end, row);
  for (int64_t block = sent.begin / kSeekBlock; block * kSeekBlock < sent.end; ++block) {
    index_[static_cast<size_t>(block)] = PointOf(source, block);
    if (source.coordinates == nullptr) {
      update.decoder->DecodeBlock(update.payload, update.context, index_, block, strip);
      continue;
    }
    compression::MappedSink mapped(*update.coordinates, strip);
    update.decoder->DecodeBlock(update.payload, update.context, index_, block, mapped);
  }
}

void UpdateBlocks::FillHeld(const Source& source, const Range& range, float* row) {
  const auto hold = [&](int64_t begin, int64_t end) {
    std::fill(row + (begin - range.begin), row + (end - range.begin), 0.0f);
    for (int64_t i = begin; i < end; ++i) ++holders_[static_cast<size_t>(i - range.begin)];
  };
  std::fill(row + (range.end - range.begin), row + width_, 0.0f);
  if (source.coordinates == nullptr) return hold(range.begin, range.end);
  std::fill(row, row + (range.end - range.begin), std::numeric_limits<float>::infinity());
  const absl::Span<const CoordinateRun> runs = source.coordinates->runs;
  for (size_t i = source.coordinates->FirstBehind(range.begin);
       i < runs.size() && runs[i].begin < range.end; ++i) {
    hold(std::max(runs[i].begin, range.begin), std::min(runs[i].begin + runs[i].size, range.end));
  }
}

const compression::SeekPoint& UpdateBlocks::PointOf(Source& source, int64_t block) {
  const KeptUpdate& update = *source.update;
  const int64_t behind = source.first + static_cast<int64_t>(source.points.size());
  if (block < source.first || block >= behind) {
    const auto all = update.decoder->MakeSeekIndex(update.payload, update.context);
    const auto size = static_cast<int64_t>(all.size());
    // Passes ascend, so what is behind `block` is asked for next.
    source.first = size <= kept_points_ ? 0 : block;
    source.points.assign(all.begin() + source.first,
                         all.begin() + std::min(size, source.first + kept_points_));
  }
  return source.points[static_cast<size_t>(block - source.first)];
}

}  // namespace tern::aggregation
