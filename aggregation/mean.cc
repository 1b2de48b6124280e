#include "aggregation/mean.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/mapped_sink.h"
#include "compression/rotation.h"
#include "core/base/check.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

// Between 2^52 and 2^53 doubles are the integers. Adding 1.5 * 2^52 to a value of magnitude below
// 2^51 rounds it to the nearest integer, ties to even, and leaves that integer in the bit pattern:
// the pattern of the sum minus that of the constant. Unlike a conversion to int64_t, every SIMD
// instruction set does this. The product before it is by a power of two, so it is exact.
constexpr double kRoundToInteger = 0x1.8p52;
constexpr auto kRoundToIntegerBits = std::bit_cast<int64_t>(kRoundToInteger);
constexpr int kSumBits = 63;
constexpr int kRoundedBits = 51;

// Binary digits of ceil(value) for value > 0.
int BitsOfCeil(double value) {
  int exponent = 0;
  std::frexp(std::ceil(value), &exponent);
  return exponent;
}

inline int64_t Rounded(float value, double scale) {
  const double shifted = static_cast<double>(value) * scale + kRoundToInteger;
  return std::bit_cast<int64_t>(shifted) - kRoundToIntegerBits;
}

// sums[i] += weight * round(values[i] * scale); arrays of `count`.
TERN_SIMD_CLONES void AddRounded(const float* values, int64_t count, double scale, int64_t weight,
                                 int64_t* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] += weight * Rounded(values[i], scale);
}

// Sums of updates before their inverse rotation. A block of 4096 coordinates of magnitude at most A
// has, rotated, magnitudes of at most 64 A; one bit more is for rounding.
constexpr int kRotatedBits = 7;

constexpr size_t kPrefetchAhead = 24;

struct RotatedSums {
  bool taken = false;         // the limits leave room for them
  std::vector<int64_t> sums;  // empty: none so far
  std::optional<compression::Rotation> rotation;
};

class MeanSink final : public compression::UpdateSink {
 public:
  // Sums that were not needed so far are empty, else `count` of them.
  MeanSink(std::vector<int64_t>& sums, int64_t count, RotatedSums& rotated, double scale,
           int64_t weight)
      : sums_(sums), count_(count), rotated_(rotated), scale_(scale), weight_(weight) {}

  bool TakesRotated() const override { return rotated_.taken; }

  void AddRotated(const compression::Rotation& rotation, int64_t offset,
                  absl::Span<const float> values) override {
    TERN_CHECK(!rotated_.rotation.has_value() || *rotated_.rotation == rotation);
    rotated_.rotation = rotation;
    AddTo(rotated_.sums, offset, values, std::ldexp(scale_, -kRotatedBits));
  }

  void Add(int64_t offset, absl::Span<const float> values) override {
    AddTo(sums_, offset, values, scale_);
  }

  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    if (indices.empty()) return;
    uint32_t largest = 0;  // of negative ones, too
    for (const int32_t index : indices) largest = std::max(largest, static_cast<uint32_t>(index));
    TERN_CHECK(int64_t{largest} < count_);
    sums_.resize(static_cast<size_t>(count_));
    int64_t* const sums = sums_.data();
    const size_t count = indices.size();
    for (size_t i = 0; i < count; ++i) {
      // Most sums are in no cache near by.
      __builtin_prefetch(sums + indices[std::min(i + kPrefetchAhead, count - 1)], 1);
      sums[indices[i]] += weight_ * Rounded(values[i], scale_);
    }
  }

 private:
  void AddTo(std::vector<int64_t>& sums, int64_t offset, absl::Span<const float> values,
             double scale) const {
    const auto size = static_cast<int64_t>(values.size());
    TERN_CHECK(offset >= 0 && offset <= count_ && size <= count_ - offset);
    sums.resize(static_cast<size_t>(count_));
    AddRounded(values.data(), size, scale, weight_, sums.data() + offset);
  }

  std::vector<int64_t>& sums_;
  const int64_t count_;
  RotatedSums& rotated_;
  const double scale_;
  const int64_t weight_;
};

using SharedSet = std::shared_ptr<const CoordinateSet>;  // null: all coordinates

// The total weight of the updates that hold one set of coordinates.
struct SetWeight {
  SharedSet set;
  int64_t weight = 0;
};

// Walks along the full vector and tells which weight is held where.
class HeldWeight {
 public:
  explicit HeldWeight(const SetWeight& of) : runs_(of.set->runs), weight_(of.weight) {}

  // The weight at coordinate `begin`, which ascends from call to call; lowers `end` to where it
  // changes next.
  int64_t At(int64_t begin, int64_t& end) {
    while (!runs_.empty() && runs_.front().begin + runs_.front().size <= begin) {
      runs_.remove_prefix(1);
    }
    if (runs_.empty()) return 0;
    const CoordinateRun& run = runs_.front();
    const bool holds = run.begin <= begin;
    end = std::min(end, holds ? run.begin + run.size : run.begin);
    return holds ? weight_ : 0;
  }

 private:
  absl::Span<const CoordinateRun> runs_;
  int64_t weight_;
};

class MeanAggregator final : public Aggregator {
 public:
  MeanAggregator(const AggregatorLimits& limits, int fraction_bits)
      : scale_(std::ldexp(1.0, fraction_bits)),
        max_total_weight_(limits.max_total_weight),
        count_(limits.count) {
    rotated_.taken = fraction_bits - kRotatedBits >= kMinFractionBits;
  }

  void Accumulate(const EncodedUpdate& update, int64_t weight,
                  const SharedSet& coordinates) override {
    TERN_CHECK(weight > 0);
    AddWeight({coordinates, weight});
    ++num_updates_;
    MeanSink sink(sums_, count_, rotated_, scale_, weight);
    if (coordinates == nullptr) {
      TERN_CHECK(update.context.count == count());
      update.decoder.DecodeInto(update.payload, update.context, sink);
      return;
    }
    TERN_CHECK(coordinates->full_size == count() && coordinates->size == update.context.count);
    compression::MappedSink mapped(*coordinates, sink);
    update.decoder.DecodeInto(update.payload, update.context, mapped);
  }

  void Merge(Aggregator&& other) override {
    auto* const mean = dynamic_cast<MeanAggregator*>(&other);
    TERN_CHECK(mean != nullptr && mean != this);
    TERN_CHECK(mean->scale_ == scale_ && mean->max_total_weight_ == max_total_weight_ &&
               mean->count_ == count_);
    for (const SetWeight& added : mean->weights_) AddWeight(added);
    num_updates_ += mean->num_updates_;
    AddSums(mean->sums_, sums_);
    MergeRotated(mean->rotated_);
    mean->Clear();
  }

  int64_t num_updates() const override { return num_updates_; }

  absl::StatusOr<std::vector<float>> Report() && override {
    if (num_updates_ == 0) {
      return absl::FailedPreconditionError("mean: no update was accumulated, expected at least 1");
    }
    std::vector<float> mean = RotatedBack();
    int64_t held_by_all = 0;
    std::vector<HeldWeight> held_by_sets;
    for (const SetWeight& of : weights_) {
      if (of.set == nullptr) {
        held_by_all = of.weight;
      } else {
        held_by_sets.emplace_back(of);
      }
    }
    for (int64_t begin = 0, end = 0; begin < count(); begin = end) {
      end = count();
      int64_t weight = held_by_all;
      for (HeldWeight& held : held_by_sets) weight += held.At(begin, end);
      if (weight > 0) Divide(begin, end, weight, mean);
    }
    Clear();
    return mean;
  }

 private:
  int64_t count() const { return count_; }

  // Each empty, or as long as the other.
  static void AddSums(const std::vector<int64_t>& added, std::vector<int64_t>& sums) {
    sums.resize(std::max(sums.size(), added.size()));
    for (size_t i = 0; i < added.size(); ++i) sums[i] += added[i];
  }

  void AddWeight(const SetWeight& added) {
    TERN_CHECK(added.weight <= max_total_weight_ - total_weight_);
    total_weight_ += added.weight;
    for (SetWeight& known : weights_) {
      if (known.set != added.set) continue;
      known.weight += added.weight;
      return;
    }
    weights_.push_back(added);
  }

  void MergeRotated(RotatedSums& other) {
    if (other.sums.empty()) return;
    TERN_CHECK(rotated_.sums.empty() || *rotated_.rotation == *other.rotation);
    rotated_.rotation = other.rotation;
    AddSums(other.sums, rotated_.sums);
  }

  // The sum of the updates that were added before their inverse rotation.
  std::vector<float> RotatedBack() const {
    std::vector<float> sum(static_cast<size_t>(count_));
    if (rotated_.sums.empty()) return sum;
    const double scale = std::ldexp(scale_, -kRotatedBits);
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] = static_cast<float>(static_cast<double>(rotated_.sums[i]) / scale);
    }
    constexpr auto kBlock = static_cast<size_t>(compression::kRotationBlock);
    for (size_t first = 0; first < sum.size(); first += kBlock) {
      rotated_.rotation->Inverse(static_cast<int64_t>(first / kBlock),
                                 absl::MakeSpan(sum).subspan(first, kBlock));
    }
    return sum;
  }

  // Makes the sum that is there, of coordinates [begin, end), which updates of total `weight` hold,
  // and the integer sums the mean.
  void Divide(int64_t begin, int64_t end, int64_t weight, std::vector<float>& mean) const {
    const auto held = static_cast<double>(weight);
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const double plain = sums_.empty() ? 0.0 : static_cast<double>(sums_[i]) / scale_;
      const double sum = plain + static_cast<double>(mean[i]);
      mean[i] = static_cast<float>(sum / held);
    }
  }

  // As after construction.
  void Clear() {
    std::fill(sums_.begin(), sums_.end(), 0);
    rotated_.sums.clear();
    rotated_.rotation.reset();
    weights_.clear();
    total_weight_ = 0;
    num_updates_ = 0;
  }

  const double scale_;  // 2^S
  const int64_t max_total_weight_;
  const int64_t count_;  // coordinates
  std::vector<int64_t> sums_;
  RotatedSums rotated_;
  std::vector<SetWeight> weights_;  // each set once, in the order in which they came
  int64_t total_weight_ = 0;        // of all sets
  int64_t num_updates_ = 0;
};

}  // namespace

absl::StatusOr<int> MeanFractionBits(const AggregatorLimits& limits) {
  const int value_bits = BitsOfCeil(limits.max_update_abs);
  const auto weight_bits =
      static_cast<int>(std::bit_width(static_cast<uint64_t>(limits.max_total_weight)));
  const int left_of_sum = kSumBits - value_bits - weight_bits;
  const int left_of_rounding = kRoundedBits - value_bits;
  const int fraction_bits = std::min({left_of_sum, left_of_rounding, kMaxFractionBits});
  if (fraction_bits >= kMinFractionBits) return fraction_bits;
  const std::string value_part =
      absl::StrCat("max_update_abs ", limits.max_update_abs, " needs ", value_bits, " bits");
  if (left_of_rounding < kMinFractionBits) {
    return absl::InvalidArgumentError(absl::StrCat(
        value_part, ", leaving ", left_of_rounding, " of ", kRoundedBits,
        " for the fraction, expected at least ", kMinFractionBits, "; lower max_update_abs"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(value_part, ", max_total_weight ", limits.max_total_weight, " needs ",
                   weight_bits, " bits, leaving ", left_of_sum, " of ", kSumBits,
                   " for the fraction, expected at least ", kMinFractionBits,
                   "; lower round.cohort_size, the examples that a client may count, or "
                   "max_update_abs"));
}

absl::StatusOr<std::unique_ptr<Aggregator>> MakeMeanAggregator(const AggregatorLimits& limits) {
  TERN_ASSIGN_OR_RETURN(const int fraction_bits, MeanFractionBits(limits));
  return std::make_unique<MeanAggregator>(limits, fraction_bits);
}

}  // namespace tern::aggregation
