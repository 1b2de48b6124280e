// A server optimizer makes the next model from the current one and the aggregate of a round's
// updates.
#ifndef TERN_AGGREGATION_SERVER_OPTIMIZER_H_
#define TERN_AGGREGATION_SERVER_OPTIMIZER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern::aggregation {

// The implementations of adaptive optimizers disagree; see MakeServerOptimizer.
enum class AdaptiveVariant { kPaper, kFlower, kTff };

// "paper", "flower", "tff". INVALID_ARGUMENT lists those that exist.
absl::StatusOr<AdaptiveVariant> ParseAdaptiveVariant(absl::string_view name);

struct ServerOptimizerOptions {
  std::string name = "fedavg";
  float learning_rate = 1.0f;
  float momentum = 0.9f;  // fedavgm
  AdaptiveVariant variant = AdaptiveVariant::kPaper;
  float beta1 = 0.9f;     // fedadam, fedyogi, fedadagrad
  float beta2 = 0.99f;    // fedadam, fedyogi
  float tau = 0.0f;       // the adaptive ones: what is added to the root; 0: the variant's own
  float epsilon = 1e-3f;  // fedexp
  float alpha = 0.1f;     // feddyn; the clients' proximal_mu
};

// Of one round.
struct ServerStep {
  absl::Span<const float> aggregate;
  double mean_squared_norm = 0.0;     // fedexp: of the updates
  double participation = 1.0;         // feddyn: the updates' share of the population
  float learning_rate_factor = 1.0f;  // of a schedule
};

class ServerOptimizer {
 public:
  virtual ~ServerOptimizer() = default;
  // Changes `parameters` by the step for the aggregate; both have the same length, the same in
  // every call. FAILED_PRECONDITION: a parameter would not be finite, or what the optimizer
  // remembers is of a model of another length; INVALID_ARGUMENT: a step that it does not take (see
  // feddyn). Then the optimizer is as before, and `parameters` are of no use.
  virtual absl::Status Apply(absl::Span<float> parameters, const ServerStep& step) = 0;
  // What it remembers from step to step; empty before the first, and always where it is nothing.
  virtual std::string Serialize() const = 0;
  // DATA_LOSS: not what Serialize of such an optimizer gave; it is then as before.
  virtual absl::Status Deserialize(absl::string_view bytes) = 0;
};

// The table of server optimizers, by name. w: parameters, d: aggregate, eta: learning_rate *
// learning_rate_factor; m, v, h: what is remembered, each as long as w.
//
//   fedavg      w += eta d (McMahan et al. 2017, algorithm 1, in the form of Reddi et al. 2021)
//   fedavgm     v = momentum v + d, from 0 on; w += eta v (Hsu et al. 2019, "Measuring the effects
//               of non-identical data distribution for federated visual classification")
//   fedadagrad  v += d^2                            adaptive_optimizers.h, with the variants
//   fedadam     v = beta2 v + (1 - beta2) d^2
//   fedyogi     v -= (1 - beta2) d^2 sign(v - d^2)
//   fedexp      w += eta max(1, s / (2 (|d|^2 + epsilon))) d, where s is mean_squared_norm: the
//               paper's sum(|d_i|^2) / M where all weights are equal (Jhunjhunwala et al. 2023,
//               "FedExP: speeding up federated averaging via extrapolation", algorithm 1). The
//               authors' code (Divyansh03/FedExP) multiplies epsilon by the number of clients.
//   feddyn      h -= alpha participation d, from 0 on; w += d - h / alpha (Acar et al. 2021,
//               "Federated learning based on dynamic regularization", algorithm 1). It has no
//               learning rate: learning_rate and learning_rate_factor are 1.
//
// fedavg and fedavgm compute in 32-bit floating point, the others in 64 bits from and to floats.
// INVALID_ARGUMENT: unknown name (lists those that exist) or an option out of range.
absl::StatusOr<std::unique_ptr<ServerOptimizer>> MakeServerOptimizer(
    const ServerOptimizerOptions& options);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_SERVER_OPTIMIZER_H_
