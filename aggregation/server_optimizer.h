// A server optimizer makes the next model from the current one and the aggregate of a round's
// updates.
#ifndef TERN_AGGREGATION_SERVER_OPTIMIZER_H_
#define TERN_AGGREGATION_SERVER_OPTIMIZER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern::aggregation {

struct ServerOptimizerOptions {
  std::string name = "fedavg";
  float learning_rate = 1.0f;
  float momentum = 0.9f;  // of those that have one
};

class ServerOptimizer {
 public:
  virtual ~ServerOptimizer() = default;
  // Changes `parameters` by the step for `aggregate`; both have the same length, the same in every
  // call. FAILED_PRECONDITION: a parameter would not be finite; then the optimizer is as before,
  // and `parameters` are of no use.
  virtual absl::Status Apply(absl::Span<float> parameters, absl::Span<const float> aggregate) = 0;
};

// The table of server optimizers by name:
//
//   fedavg   parameters += learning_rate * aggregate (McMahan et al. 2017, algorithm 1, in the form
//            of Reddi et al. 2020)
//   fedavgm  velocity = momentum * velocity + aggregate, from 0 on;
//            parameters += learning_rate * velocity (Hsu et al. 2019, "Measuring the effects of
//            non-identical data distribution for federated visual classification")
//
// INVALID_ARGUMENT: unknown name (lists those that exist) or an option out of range.
absl::StatusOr<std::unique_ptr<ServerOptimizer>> MakeServerOptimizer(
    const ServerOptimizerOptions& options);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_SERVER_OPTIMIZER_H_
