// Rules whose aggregate is a weighted mean, so that each update is consumed as it comes. All four
// are sums in exact integer arithmetic (weighted_sums.h), with a factor and a statistic of each
// update x of weight w; the step is
//
//   multiplier * sum(w * factor * x) / sum(w)
//
// for each coordinate over the updates that hold it, where the multiplier depends on
// s = sum(w * statistic) / sum(w) over all updates:
//
//   rule       w       factor                      statistic                         multiplier
//   mean       weight  1                           |x|^2 if it is measured, else 0   1
//   norm_clip  weight  min(1, clip_norm / |x|)     0                                 1
//   fednova    weight  1 / a                       a                                 s
//   qfedavg    1       F^q                         F^q + q F^(q-1) L |x|^2           1 / s
//
// mean       FedAvg (McMahan et al. 2017, algorithm 1). s is Aggregate::mean_squared_norm, of the
//            coordinates that the updates hold.
// norm_clip  as mean, of updates scaled down to clip_norm; |x| is the norm of the coordinates that
//            the update holds. Shorter updates stay bit for bit as they are.
// fednova    Wang et al. 2020, "Tackling the objective inconsistency problem in heterogeneous
//            federated optimization": updates are divided by their steps a = |a_i|_1 and the mean
//            is multiplied by the mean number of steps, tau_eff = sum(w a) / sum(w), of all updates
//            whatever they hold. The authors' code (JYWa/FedNova) takes the mean of the plain
//            numbers of steps where there is a proximal term; FedLab's "weighted_scale" multiplies
//            by clients / cohort besides.
// qfedavg    Li et al. 2020, "Fair resource allocation in federated learning", algorithm 2, with
//            F = start_loss + 1e-10, L = 1 / client_learning_rate and q = fairness: there
//            Delta = F^q L (w - w_k) = -F^q L x, h = q F^(q-1) L^2 |x|^2 + L F^q and
//            w -= sum(Delta) / sum(h), from which L is cancelled here. UpdateFacts::weight has no
//            part in it. F is the loss of the round's model on the client's examples, as in the
//            authors' code (litian96/fair_flearn); Flower's old API takes one loss for all clients.
//
// Bounds: a of fednova is 1 to kMaxStepsNorm, so that a factor is at most 1. F^q of qfedavg is at
// most kMaxFairFactor: a larger loss counts as kMaxFairFactor^(1/q), so that what a client says of
// its loss cannot outweigh the others by more. F^q x is rounded to a multiple of 2^-S, 36 bits for
// max_update_abs 16: where all losses are so small that F^q is below 2^-16, the step is rough.
// F^q and F^(q-1) are rounded to floats, so that mathematical libraries agree on them.
#ifndef TERN_AGGREGATION_MEAN_H_
#define TERN_AGGREGATION_MEAN_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "aggregation/aggregator.h"

namespace tern::aggregation {

inline constexpr double kMaxStepsNorm = 0x1p50;
inline constexpr double kMaxFairFactor = 1024.0;
inline constexpr float kMaxFairness = 10.0f;

// UpdateFacts::steps_norm of `steps` steps of local SGD: the sum of what each step's gradient is
// multiplied by in the update, in units of the learning rate, with v and D from 0
//
//   v = momentum * v + 1 - learning_rate_times_mu * D;  D = D + v
//
// repeated `steps` times, which is core/engine/sgd.h for gradients of 1: the proximal term is part
// of the gradient that the velocity takes in. Without either D is `steps`, with momentum rho alone
// (steps - rho (1 - rho^steps) / (1 - rho)) / (1 - rho), with the proximal term alone
// (1 - (1 - learning_rate_times_mu)^steps) / learning_rate_times_mu, as in Wang et al. 2020.
// For both together JYWa/FedNova does D = (D + v) (1 - learning_rate_times_mu) + 1, which counts
// each gradient twice. Clamped to 1 to kMaxStepsNorm. Takes time proportional to log(steps).
// `momentum` and `learning_rate_times_mu`: 0 or more, below 1.
double FedNovaStepsNorm(int64_t steps, float momentum, float learning_rate_times_mu);

// INVALID_ARGUMENT: an option out of range; else as FractionBits and StatisticFractionBits.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeMean(const AggregatorOptions& options,
                                                     const AggregatorLimits& limits);
absl::StatusOr<std::unique_ptr<Aggregator>> MakeNormClip(const AggregatorOptions& options,
                                                         const AggregatorLimits& limits);
absl::StatusOr<std::unique_ptr<Aggregator>> MakeFedNova(const AggregatorOptions& options,
                                                        const AggregatorLimits& limits);
// Takes no submodels. max_updates, not max_total_weight, bounds its sums.
absl::StatusOr<std::unique_ptr<Aggregator>> MakeQFedAvg(const AggregatorOptions& options,
                                                        const AggregatorLimits& limits);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_MEAN_H_
