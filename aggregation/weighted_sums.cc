#include "aggregation/weighted_sums.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "compression/mapped_sink.h"
#include "core/base/check.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

// Between 2^52 and 2^53 doubles are the integers. Adding 1.5 * 2^52 to a value of magnitude below
// 2^51 rounds it to the nearest integer, ties to even, and leaves that integer in the bit pattern:
// the pattern of the sum minus that of the constant. Unlike a conversion to int64_t, every SIMD
// instruction set does this. The product before it is exact where the factor is 1: the scale is
// then a power of two.
constexpr double kRoundToInteger = 0x1.8p52;
constexpr auto kRoundToIntegerBits = std::bit_cast<int64_t>(kRoundToInteger);
constexpr int kSumBits = 63;
constexpr int kRoundedBits = 51;
constexpr int kStatisticBits = 126;

// Sums of updates before their inverse rotation. A block of 4096 coordinates of magnitude at most A
// has, rotated, magnitudes of at most 64 A; one bit more is for rounding.
constexpr int kRotatedBits = 7;

constexpr size_t kPrefetchAhead = 24;

// Binary digits of ceil(value) for finite value >= 0.
int BitsOfCeil(double value) {
  int exponent = 0;
  std::frexp(std::ceil(value), &exponent);
  return exponent;
}

int WeightBits(const SumLimits& limits) {
  return static_cast<int>(std::bit_width(static_cast<uint64_t>(limits.max_total_weight)));
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

struct Divisor {
  double unit;  // of integer sums
  double weight;
  double multiplier;
};

// Makes the sums that are in `mean`, and the integer sums, if there are any, the mean; of `count`.
TERN_SIMD_CLONES void Divide(const int64_t* sums, int64_t count, const Divisor& by, float* mean) {
  if (sums == nullptr) {
    for (int64_t i = 0; i < count; ++i) {
      // Plus 0: rotating back makes zeros of either sign, one and the same here.
      mean[i] = static_cast<float>(static_cast<double>(mean[i]) / by.weight * by.multiplier) + 0.0f;
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const double sum = static_cast<double>(sums[i]) * by.unit + static_cast<double>(mean[i]);
    mean[i] = static_cast<float>(sum / by.weight * by.multiplier) + 0.0f;
  }
}

// Each empty, or as long as the other.
void AddSums(const std::vector<int64_t>& added, std::vector<int64_t>& sums) {
  sums.resize(std::max(sums.size(), added.size()));
  for (size_t i = 0; i < added.size(); ++i) sums[i] += added[i];
}

bool SameCoordinates(const CoordinateSet* a, const CoordinateSet* b) {
  return a == b || (a != nullptr && b != nullptr && a->runs == b->runs);
}

}  // namespace

class WeightedSums::Sink final : public compression::UpdateSink {
 public:
  Sink(WeightedSums& to, const Term& term)
      : to_(to),
        scale_(std::ldexp(term.factor, to.fraction_bits_)),
        weight_(term.weight),
        takes_rotated_(to.takes_rotated()) {}

  bool TakesRotated() const override { return takes_rotated_; }

  void AddRotated(const compression::Rotation& rotation, int64_t offset,
                  absl::Span<const float> values) override {
    RotatedSums& rotated = to_.rotated_;
    TERN_CHECK(!rotated.rotation.has_value() || *rotated.rotation == rotation);
    rotated.rotation = rotation;
    AddTo(rotated.sums, offset, values, std::ldexp(scale_, -kRotatedBits));
  }

  void Add(int64_t offset, absl::Span<const float> values) override {
    AddTo(to_.sums_, offset, values, scale_);
  }

  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    if (indices.empty()) return;
    uint32_t largest = 0;  // of negative ones, too
    for (const int32_t index : indices) largest = std::max(largest, static_cast<uint32_t>(index));
    TERN_CHECK(int64_t{largest} < to_.limits_.count);
    to_.sums_.resize(static_cast<size_t>(to_.limits_.count));
    int64_t* const sums = to_.sums_.data();
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
    const int64_t count = to_.limits_.count;
    TERN_CHECK(offset >= 0 && offset <= count && size <= count - offset);
    sums.resize(static_cast<size_t>(count));
    AddRounded(values.data(), size, scale, weight_, sums.data() + offset);
  }

  WeightedSums& to_;
  const double scale_;  // factor * 2^S
  const int64_t weight_;
  const bool takes_rotated_;
};

// Walks along the full vector and tells which weight is held where.
class WeightedSums::HeldWeight {
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

absl::StatusOr<int> FractionBits(const SumLimits& limits) {
  const int value_bits = BitsOfCeil(limits.max_update_abs * limits.max_factor);
  const int weight_bits = WeightBits(limits);
  const int left_of_sum = kSumBits - value_bits - weight_bits;
  const int left_of_rounding = kRoundedBits - value_bits;
  const int fraction_bits = std::min({left_of_sum, left_of_rounding, kMaxFractionBits});
  if (fraction_bits >= kMinFractionBits) return fraction_bits;
  const std::string times =
      limits.max_factor == 1.0 ? "" : absl::StrCat(" times a factor of up to ", limits.max_factor);
  const std::string value_part =
      absl::StrCat("max_update_abs ", limits.max_update_abs, times, " needs ", value_bits, " bits");
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

absl::StatusOr<int> StatisticFractionBits(const SumLimits& limits) {
  const int weight_bits = WeightBits(limits);
  const int statistic_bits = BitsOfCeil(limits.max_statistic);
  const int fraction_bits =
      std::min(kStatisticBits - statistic_bits - weight_bits, kMaxStatisticFractionBits);
  if (std::isfinite(limits.max_statistic) && fraction_bits >= kMinFractionBits) {
    return fraction_bits;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "what an update is divided by may reach ", limits.max_statistic, ", which leaves fewer than ",
      kMinFractionBits, " of ", kStatisticBits, " bits for the fraction beside max_total_weight ",
      limits.max_total_weight, "; lower max_update_abs"));
}

WeightedSums::WeightedSums(const SumLimits& limits, int fraction_bits, int statistic_fraction_bits)
    : limits_(limits),
      fraction_bits_(fraction_bits),
      statistic_fraction_bits_(statistic_fraction_bits) {}

absl::StatusOr<WeightedSums> WeightedSums::Create(const SumLimits& limits) {
  TERN_ASSIGN_OR_RETURN(const int fraction_bits, FractionBits(limits));
  TERN_ASSIGN_OR_RETURN(const int statistic_fraction_bits, StatisticFractionBits(limits));
  return WeightedSums(limits, fraction_bits, statistic_fraction_bits);
}

bool WeightedSums::takes_rotated() const {
  return fraction_bits_ - kRotatedBits >= kMinFractionBits;
}

void WeightedSums::Add(const EncodedUpdate& update, const Term& term,
                       const std::shared_ptr<const CoordinateSet>& coordinates) {
  TERN_CHECK(term.weight > 0);
  TERN_CHECK(term.factor >= 0.0 && term.factor <= limits_.max_factor);
  TERN_CHECK(term.statistic >= 0.0 && term.statistic <= limits_.max_statistic);
  const bool all = coordinates == nullptr ||
                   (coordinates->full_size == limits_.count && coordinates->size == limits_.count);
  AddWeight({.set = all ? nullptr : coordinates, .weight = term.weight});
  ++num_updates_;
  statistic_ += absl::int128(std::nearbyint(std::ldexp(term.statistic, statistic_fraction_bits_))) *
                term.weight;
  Sink sink(*this, term);
  TERN_CHECK(all || (coordinates->full_size == limits_.count && coordinates->size > 0));
  TERN_CHECK(update.context.count == (all ? limits_.count : coordinates->size));
  if (all) {
    update.decoder.DecodeInto(update.payload, update.context, sink);
    return;
  }
  compression::MappedSink mapped(*coordinates, sink);
  update.decoder.DecodeInto(update.payload, update.context, mapped);
}

void WeightedSums::Merge(WeightedSums& other) {
  TERN_CHECK(&other != this);
  for (const SetWeight& added : other.weights_) AddWeight(added);
  num_updates_ += other.num_updates_;
  statistic_ += other.statistic_;
  AddSums(other.sums_, sums_);
  if (other.rotated_.rotation.has_value()) {
    TERN_CHECK(!rotated_.rotation.has_value() || *rotated_.rotation == *other.rotated_.rotation);
    rotated_.rotation = other.rotated_.rotation;
    AddSums(other.rotated_.sums, rotated_.sums);
  }
  other.Clear();
}

void WeightedSums::AddWeight(const SetWeight& added) {
  TERN_CHECK(added.weight <= limits_.max_total_weight - total_weight_);
  total_weight_ += added.weight;
  for (SetWeight& known : weights_) {
    if (!SameCoordinates(known.set.get(), added.set.get())) continue;
    known.weight += added.weight;
    return;
  }
  weights_.push_back(added);
}

void WeightedSums::Clear() {
  std::fill(sums_.begin(), sums_.end(), 0);
  rotated_.sums.clear();
  rotated_.rotation.reset();
  weights_.clear();
  statistic_ = 0;
  total_weight_ = 0;
  num_updates_ = 0;
}

double WeightedSums::MeanStatistic() const {
  const auto sum = std::ldexp(static_cast<double>(statistic_), -statistic_fraction_bits_);
  return sum / static_cast<double>(total_weight_);
}

std::vector<float> WeightedSums::Mean(double multiplier) const {
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
  for (int64_t begin = 0, end = 0; begin < limits_.count; begin = end) {
    end = limits_.count;
    int64_t weight = held_by_all;
    for (HeldWeight& held : held_by_sets) weight += held.At(begin, end);
    if (weight == 0) continue;
    const int64_t* const sums = sums_.empty() ? nullptr : sums_.data() + begin;
    Divide(sums, end - begin,
           {.unit = std::ldexp(1.0, -fraction_bits_),
            .weight = static_cast<double>(weight),
            .multiplier = multiplier},
           mean.data() + begin);
  }
  return mean;
}

// The sum of the updates that were added before their inverse rotation.
std::vector<float> WeightedSums::RotatedBack() const {
  std::vector<float> sum(static_cast<size_t>(limits_.count));
  if (rotated_.sums.empty()) return sum;
  const double unit = std::ldexp(1.0, kRotatedBits - fraction_bits_);
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<float>(static_cast<double>(rotated_.sums[i]) * unit);
  }
  constexpr auto kBlock = static_cast<size_t>(compression::kRotationBlock);
  for (size_t first = 0; first < sum.size(); first += kBlock) {
    rotated_.rotation->Inverse(static_cast<int64_t>(first / kBlock),
                               absl::MakeSpan(sum).subspan(first, kBlock));
  }
  return sum;
}

}  // namespace tern::aggregation
