#include "aggregation/mean.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
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

// sums[i] += weight * round(values[i] * scale); arrays of `count`.
TERN_SIMD_CLONES void AddRounded(const float* values, int64_t count, double scale, int64_t weight,
                                 int64_t* sums) {
  for (int64_t i = 0; i < count; ++i) {
    const double shifted = static_cast<double>(values[i]) * scale + kRoundToInteger;
    sums[i] += weight * (std::bit_cast<int64_t>(shifted) - kRoundToIntegerBits);
  }
}

class MeanSink final : public compression::UpdateSink {
 public:
  MeanSink(absl::Span<int64_t> sums, double scale, int64_t weight)
      : sums_(sums), scale_(scale), weight_(weight) {}

  void Add(int64_t offset, absl::Span<const float> values) override {
    TERN_CHECK(offset >= 0 && static_cast<size_t>(offset) <= sums_.size() &&
               values.size() <= sums_.size() - static_cast<size_t>(offset));
    AddRounded(values.data(), static_cast<int64_t>(values.size()), scale_, weight_,
               sums_.data() + offset);
  }

  void AddSparse(absl::Span<const int32_t> indices, absl::Span<const float> values) override {
    for (size_t i = 0; i < indices.size(); ++i) {
      TERN_CHECK(indices[i] >= 0 && static_cast<size_t>(indices[i]) < sums_.size());
      AddRounded(&values[i], 1, scale_, weight_, &sums_[static_cast<size_t>(indices[i])]);
    }
  }

 private:
  const absl::Span<int64_t> sums_;
  const double scale_;
  const int64_t weight_;
};

class MeanAggregator final : public Aggregator {
 public:
  MeanAggregator(const AggregatorLimits& limits, int fraction_bits)
      : scale_(std::ldexp(1.0, fraction_bits)),
        max_total_weight_(limits.max_total_weight),
        sums_(static_cast<size_t>(limits.count)) {}

  void Accumulate(const compression::Decoder& decoder, absl::string_view payload, int64_t weight,
                  const std::shared_ptr<const CoordinateSet>& /*coordinates*/) override {
    TERN_CHECK(weight > 0);
    AddWeight(weight);
    ++num_updates_;
    MeanSink sink(absl::MakeSpan(sums_), scale_, weight);
    decoder.DecodeInto(payload, static_cast<int64_t>(sums_.size()), sink);
  }

  void Merge(Aggregator&& other) override {
    auto* const mean = dynamic_cast<MeanAggregator*>(&other);
    TERN_CHECK(mean != nullptr && mean != this);
    TERN_CHECK(mean->scale_ == scale_ && mean->max_total_weight_ == max_total_weight_ &&
               mean->sums_.size() == sums_.size());
    AddWeight(mean->total_weight_);
    num_updates_ += mean->num_updates_;
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += mean->sums_[i];
    mean->Clear();
  }

  int64_t num_updates() const override { return num_updates_; }

  absl::StatusOr<std::vector<float>> Report() && override {
    if (num_updates_ == 0) {
      return absl::FailedPreconditionError("mean: no update was accumulated, expected at least 1");
    }
    const double denominator = static_cast<double>(total_weight_) * scale_;
    std::vector<float> mean(sums_.size());
    for (size_t i = 0; i < sums_.size(); ++i) {
      mean[i] = static_cast<float>(static_cast<double>(sums_[i]) / denominator);
    }
    Clear();
    return mean;
  }

 private:
  void AddWeight(int64_t weight) {
    TERN_CHECK(weight <= max_total_weight_ - total_weight_);
    total_weight_ += weight;
  }

  // As after construction.
  void Clear() {
    std::fill(sums_.begin(), sums_.end(), 0);
    total_weight_ = 0;
    num_updates_ = 0;
  }

  const double scale_;  // 2^S
  const int64_t max_total_weight_;
  std::vector<int64_t> sums_;
  int64_t total_weight_ = 0;
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
