// Server optimizers that divide by the root of what they remember of squared aggregates: Reddi et
// al. 2021, "Adaptive federated optimization", algorithm 2, and what became of it elsewhere.
//
//   m = beta1 m + (1 - beta1) d, from 0 on
//   v = v + d^2                            fedadagrad
//       beta2 v + (1 - beta2) d^2          fedadam
//       v - (1 - beta2) d^2 sign(v - d^2)  fedyogi
//   w += eta c m / (sqrt(v) + tau)
//
//   variant           v before   tau     c in step t = 1, 2, ...
//   paper   all       tau^2      1e-3    1
//   flower  fedadam   0          1e-9    sqrt(1 - beta2^(t+1)) / (1 - beta1^(t+1))
//           fedyogi   0          1e-3    1
//           fedadagrad  0        1e-3    1
//   tff     fedadam   0          1e-7    sqrt(1 - beta2^t) / (1 - beta1^t)
//           fedyogi   1e-6       1e-3    the same
//           fedadagrad  0.1      1e-7    1, and w += eta m / sqrt(v + tau)
//
// ServerOptimizerOptions::tau, if it is not 0, takes the place of the variant's, in the paper's v,
// too. beta1 of fedadagrad: algorithm 2 has it, so the paper's variant takes it; the paper's
// experiments and Flower set it to 0 and TFF has none, so there it is 0 whatever the options say.
//
//   paper   as APPFL's fedadam_aggregator.py and its siblings
//   flower  strategy/fedadam.py, fedyogi.py, fedadagrad.py; tau of the last two in its new API. Its
//           correction of fedadam is of one step more than were taken.
//   tff     learning/optimizers/adam.py, yogi.py, adagrad.py of TensorFlow Federated; what the
//           paper's authors ran, tf.keras.optimizers.Adam, is corrected in the same way.
#ifndef TERN_AGGREGATION_ADAPTIVE_OPTIMIZERS_H_
#define TERN_AGGREGATION_ADAPTIVE_OPTIMIZERS_H_

#include <memory>

#include "aggregation/server_optimizer.h"

namespace tern::aggregation {

// Options in range.
std::unique_ptr<ServerOptimizer> MakeFedAdagrad(const ServerOptimizerOptions& options);
std::unique_ptr<ServerOptimizer> MakeFedAdam(const ServerOptimizerOptions& options);
std::unique_ptr<ServerOptimizer> MakeFedYogi(const ServerOptimizerOptions& options);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ADAPTIVE_OPTIMIZERS_H_
