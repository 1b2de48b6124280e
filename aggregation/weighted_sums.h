// Sums of updates in exact integer arithmetic: what the rules of mean.h have in common.
//
// Each coordinate x of an update is multiplied by the update's real factor f, 1 for most, and
// rounded once, to the nearest multiple of 2^-S; what is summed is the integer
// weight * round(x * f * 2^S), in 64 bits. Integer addition is associative, so neither the order of
// the updates nor how they are spread over sums that are merged can be seen in the result.
//
// S, the bits of the fraction, is chosen once from the limits: with bits(n) the binary digits of n
// and A = ceil(max_update_abs * max_factor)
//
//   bits(A) + S + bits(max_total_weight) <= 63        (1)
//   bits(A) + S <= 51                                 (2)
//   20 <= S <= 40
//
// Updates of submodels hold some coordinates only: the mean of a coordinate is the sum over the
// updates that hold it, divided by their weight (Diao et al. 2021, HeteroFL, section 3), and 0
// where no update holds it. Weights are summed for each distinct coordinate set, not for each
// coordinate; they are integers too.
//
// No sum overflows: A is an integer, so |round(x * f * 2^S)| <= A * 2^S, and a sum over weights of
// total at most W has magnitude at most W * A * 2^S <= (2^bits(W) - 1) * (2^bits(A) - 1) * 2^S <
// 2^63 by (1). By (2) the rounded values stay below 2^51, where rounding is one addition; see
// weighted_sums.cc. W bounds the weight of all updates, whatever they hold, so that each
// coordinate's is within it.
//
// Each update has a real number besides, its statistic, at most max_statistic: its squared norm, or
// what else a rule divides by. It is rounded once to a multiple of 2^-T and summed, times the
// weight, in 128 bits:
//
//   bits(ceil(max_statistic)) + T + bits(max_total_weight) <= 126, 20 <= T <= 60      (3)
#ifndef TERN_AGGREGATION_WEIGHTED_SUMS_H_
#define TERN_AGGREGATION_WEIGHTED_SUMS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregation/aggregator.h"
#include "compression/rotation.h"
#include "core/model/submodel.h"

namespace tern::aggregation {

inline constexpr int kMinFractionBits = 20;
inline constexpr int kMaxFractionBits = 40;           // of S
inline constexpr int kMaxStatisticFractionBits = 60;  // of T

struct SumLimits {
  int64_t count = 0;  // coordinates
  double max_update_abs = 0.0;
  double max_factor = 1.0;
  int64_t max_total_weight = 0;
  double max_statistic = 0.0;
};

// S and T. INVALID_ARGUMENT shows the arithmetic when fewer than kMinFractionBits are left.
absl::StatusOr<int> FractionBits(const SumLimits& limits);
absl::StatusOr<int> StatisticFractionBits(const SumLimits& limits);

// Not thread-safe. Memory: 8 bytes for each coordinate of updates that are not rotated, 8 of those
// that are. Updates of stage `rotate` that hold all coordinates are added up before their inverse
// rotation, to multiples of 2^-(S - 7), where S is 27 or more, and rotated back once, in Mean, in
// 32-bit floating point: their error is that of 32-bit sums of 4096.
class WeightedSums {
 public:
  // What an update counts for.
  struct Term {
    int64_t weight = 1;      // > 0
    double factor = 1.0;     // 0 to max_factor
    double statistic = 0.0;  // 0 to max_statistic
  };

  // INVALID_ARGUMENT as FractionBits and StatisticFractionBits.
  static absl::StatusOr<WeightedSums> Create(const SumLimits& limits);

  // `coordinates`: null: all. Sets are equal if they hold the same.
  void Add(const EncodedUpdate& update, const Term& term,
           const std::shared_ptr<const CoordinateSet>& coordinates);
  // Takes over what `other`, of the same limits, holds, and clears it.
  void Merge(WeightedSums& other);
  // As after Create.
  void Clear();

  int64_t num_updates() const { return num_updates_; }
  // sum(weight * statistic) / sum(weight). Of at least one update.
  double MeanStatistic() const;
  // multiplier * sum(weight * factor * x) / sum(weight), over the updates that hold the coordinate;
  // off by at most multiplier * 2^-(S + 1) before it is rounded to a float. Takes time proportional
  // to the coordinates plus, for each run of a set, the number of sets.
  std::vector<float> Mean(double multiplier) const;

  // All numbers little-endian: the number of updates (8 bytes), the sum of statistics (16), the
  // number of sets (4), of each set its weight (8), the number of its runs (4, 0: all coordinates)
  // and their begins and sizes (8 each), the sets ascending by their runs; 1 or 0 (1 byte) and, if
  // 1, the sums (8 each); 1 or 0 and, if 1, the rotation's seed (8) and the sums before its
  // inverse. Sums that are all 0 are left out.
  void AppendTo(std::string& bytes) const;
  // Into empty sums of the same limits. DATA_LOSS: not what AppendTo gave; they are then empty.
  absl::Status Read(absl::string_view bytes);

 private:
  // The total weight of the updates that hold one set of coordinates.
  struct SetWeight {
    std::shared_ptr<const CoordinateSet> set;  // null: all coordinates
    int64_t weight = 0;
  };
  struct RotatedSums {
    std::vector<int64_t> sums;  // empty: none so far
    std::optional<compression::Rotation> rotation;
  };
  class Sink;
  class HeldWeight;
  class Reader;

  WeightedSums(const SumLimits& limits, int fraction_bits, int statistic_fraction_bits);

  bool takes_rotated() const;
  void AddWeight(const SetWeight& added);
  std::vector<float> RotatedBack() const;

  SumLimits limits_;
  int fraction_bits_;
  int statistic_fraction_bits_;
  std::vector<int64_t> sums_;  // empty: none so far
  RotatedSums rotated_;
  std::vector<SetWeight> weights_;  // each set once, in the order in which they came
  absl::int128 statistic_ = 0;      // times 2^T
  int64_t total_weight_ = 0;        // of all sets
  int64_t num_updates_ = 0;
};

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_WEIGHTED_SUMS_H_
