// What WeightedSums write down, and read back.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/weighted_sums.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr size_t kRunBytes = 2 * sizeof(int64_t);

bool AllZero(const std::vector<int64_t>& sums) {
  return std::all_of(sums.begin(), sums.end(), [](int64_t sum) { return sum == 0; });
}

void WriteSums(const std::vector<int64_t>& sums, ByteWriter& writer) {
  writer.WriteBytes(
      absl::string_view(reinterpret_cast<const char*>(sums.data()), sums.size() * sizeof(int64_t)));
}

absl::Span<const CoordinateRun> RunsOf(const CoordinateSet* set) {
  return set == nullptr ? absl::Span<const CoordinateRun>() : absl::MakeConstSpan(set->runs);
}

// By their runs; the set of all coordinates, which lists none, is first.
bool Precedes(const CoordinateSet* a, const CoordinateSet* b) {
  const auto less = [](const CoordinateRun& x, const CoordinateRun& y) {
    return std::pair(x.begin, x.size) < std::pair(y.begin, y.size);
  };
  const absl::Span<const CoordinateRun> of_a = RunsOf(a);
  const absl::Span<const CoordinateRun> of_b = RunsOf(b);
  return std::lexicographical_compare(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), less);
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("state of sums: ", what));
}

}  // namespace

void WeightedSums::AppendTo(std::string& bytes) const {
  const bool plain = !AllZero(sums_);
  const bool rotated = !AllZero(rotated_.sums);
  bytes.reserve(bytes.size() + (plain ? sums_.size() : 0) * sizeof(int64_t) +
                (rotated ? rotated_.sums.size() : 0) * sizeof(int64_t) + 4096);
  ByteWriter writer(&bytes);
  writer.Write<int64_t>(num_updates_);
  writer.Write<uint64_t>(absl::Int128Low64(statistic_));
  writer.Write<int64_t>(absl::Int128High64(statistic_));
  std::vector<SetWeight> sets = weights_;
  std::sort(sets.begin(), sets.end(), [](const SetWeight& a, const SetWeight& b) {
    return Precedes(a.set.get(), b.set.get());
  });
  writer.Write<uint32_t>(static_cast<uint32_t>(sets.size()));
  for (const SetWeight& of : sets) {
    const absl::Span<const CoordinateRun> runs = RunsOf(of.set.get());
    writer.Write<int64_t>(of.weight);
    writer.Write<uint32_t>(static_cast<uint32_t>(runs.size()));
    for (const CoordinateRun& run : runs) {
      writer.Write<int64_t>(run.begin);
      writer.Write<int64_t>(run.size);
    }
  }
  writer.Write<uint8_t>(plain ? 1 : 0);
  if (plain) WriteSums(sums_, writer);
  writer.Write<uint8_t>(rotated ? 1 : 0);
  if (!rotated) return;
  writer.Write<uint64_t>(rotated_.rotation->seed());
  WriteSums(rotated_.sums, writer);
}

// Fills empty sums. What it takes is checked, so that nothing that is done with the sums later can
// overflow, whoever wrote the bytes.
class WeightedSums::Reader {
 public:
  Reader(absl::string_view bytes, WeightedSums& to) : reader_(bytes), to_(to) {}

  absl::Status Read() {
    TERN_ASSIGN_OR_RETURN(to_.num_updates_, reader_.Read<int64_t>());
    TERN_ASSIGN_OR_RETURN(const uint64_t low, reader_.Read<uint64_t>());
    TERN_ASSIGN_OR_RETURN(const int64_t high, reader_.Read<int64_t>());
    to_.statistic_ = absl::MakeInt128(high, low);
    TERN_RETURN_IF_ERROR(ReadSets());
    TERN_RETURN_IF_ERROR(CheckCounts());
    TERN_ASSIGN_OR_RETURN(const bool plain, ReadFlag());
    if (plain) TERN_RETURN_IF_ERROR(ReadSums(to_.sums_));
    TERN_ASSIGN_OR_RETURN(const bool rotated, ReadFlag());
    if (rotated) {
      if (!to_.takes_rotated()) return Damaged("rotated sums, which the limits leave no room for");
      TERN_ASSIGN_OR_RETURN(const uint64_t seed, reader_.Read<uint64_t>());
      to_.rotated_.rotation = compression::Rotation::FromSeed(seed);
      TERN_RETURN_IF_ERROR(ReadSums(to_.rotated_.sums));
    }
    if (reader_.remaining() == 0) return absl::OkStatus();
    return Damaged(absl::StrCat(reader_.remaining(), " bytes behind the end"));
  }

 private:
  absl::StatusOr<bool> ReadFlag() {
    TERN_ASSIGN_OR_RETURN(const uint8_t flag, reader_.Read<uint8_t>());
    if (flag <= 1) return flag == 1;
    return Damaged("a flag is neither 0 nor 1");
  }

  absl::Status ReadSets() {
    TERN_ASSIGN_OR_RETURN(const uint32_t count, reader_.Read<uint32_t>());
    for (uint32_t i = 0; i < count; ++i) {
      SetWeight of;
      TERN_ASSIGN_OR_RETURN(of.weight, reader_.Read<int64_t>());
      if (of.weight < 1 || of.weight > to_.limits_.max_total_weight - to_.total_weight_) {
        return Damaged("a weight is out of range");
      }
      to_.total_weight_ += of.weight;
      TERN_ASSIGN_OR_RETURN(of.set, ReadSet());
      if (i > 0 && !Precedes(to_.weights_.back().set.get(), of.set.get())) {
        return Damaged("coordinate sets do not ascend");
      }
      to_.weights_.push_back(std::move(of));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const CoordinateSet>> ReadSet() {
    TERN_ASSIGN_OR_RETURN(const uint32_t count, reader_.Read<uint32_t>());
    std::shared_ptr<CoordinateSet> set;
    if (count == 0) return set;
    if (count > reader_.remaining() / kRunBytes) return Damaged("truncated within a set");
    set = std::make_shared<CoordinateSet>();
    set->full_size = to_.limits_.count;
    set->runs.resize(count);
    int64_t end = -1;  // the next run begins behind
    for (CoordinateRun& run : set->runs) {
      TERN_ASSIGN_OR_RETURN(run.begin, reader_.Read<int64_t>());
      TERN_ASSIGN_OR_RETURN(run.size, reader_.Read<int64_t>());
      if (run.begin <= end || run.size < 1 || run.begin > set->full_size ||
          run.size > set->full_size - run.begin) {
        return Damaged("runs of a set do not ascend within the coordinates");
      }
      end = run.begin + run.size;
      set->size += run.size;
    }
    if (set->size == set->full_size) return Damaged("a set lists all coordinates");
    return set;
  }

  absl::Status CheckCounts() const {
    const auto num_sets = static_cast<int64_t>(to_.weights_.size());
    if (to_.num_updates_ < num_sets || to_.num_updates_ > to_.total_weight_) {
      return Damaged("the number of updates is out of range");
    }
    const auto largest = absl::int128(std::nearbyint(
                             std::ldexp(to_.limits_.max_statistic, to_.statistic_fraction_bits_))) *
                         to_.total_weight_;
    if (to_.statistic_ < 0 || to_.statistic_ > largest) {
      return Damaged("the sum of statistics is out of range");
    }
    return absl::OkStatus();
  }

  absl::Status ReadSums(std::vector<int64_t>& sums) {
    const auto count = static_cast<size_t>(to_.limits_.count);
    TERN_ASSIGN_OR_RETURN(const absl::string_view bytes,
                          reader_.ReadBytes(count * sizeof(int64_t)));
    sums.resize(count);
    std::memcpy(sums.data(), bytes.data(), bytes.size());
    const double most = std::ceil(to_.limits_.max_update_abs * to_.limits_.max_factor);
    const auto largest =
        static_cast<int64_t>(std::ldexp(most, to_.fraction_bits_)) * to_.total_weight_;
    const bool in_range = std::all_of(sums.begin(), sums.end(), [largest](int64_t sum) {
      return sum >= -largest && sum <= largest;
    });
    return in_range ? absl::OkStatus() : Damaged("a sum is out of range");
  }

  ByteReader reader_;
  WeightedSums& to_;
};

absl::Status WeightedSums::Read(absl::string_view bytes) {
  TERN_CHECK(num_updates_ == 0);
  WeightedSums parsed(limits_, fraction_bits_, statistic_fraction_bits_);
  TERN_RETURN_IF_ERROR(Reader(bytes, parsed).Read());
  *this = std::move(parsed);
  return absl::OkStatus();
}

}  // namespace tern::aggregation
