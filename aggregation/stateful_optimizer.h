// What server optimizers have in common: they remember vectors as long as the parameters, change
// them with every step, and write them down.
#ifndef TERN_AGGREGATION_STATEFUL_OPTIMIZER_H_
#define TERN_AGGREGATION_STATEFUL_OPTIMIZER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aggregation/server_optimizer.h"

namespace tern::aggregation {

class StatefulOptimizer : public ServerOptimizer {
 public:
  absl::Status Apply(absl::Span<float> parameters, const ServerStep& step) final;
  // The envelope of sealed_bytes.h around the number of steps, that of coordinates (8 bytes each),
  // and the vectors (4 each).
  std::string Serialize() const final;
  absl::Status Deserialize(absl::string_view bytes) final;

 protected:
  struct State {
    int64_t steps = 0;                        // with the one that is taken
    std::vector<std::vector<float>> vectors;  // as many as `initial`
  };

  // `name` tells optimizers apart whose states mean different things. `initial`: what all of each
  // vector is before the first step; empty: the optimizer remembers nothing.
  StatefulOptimizer(const ServerOptimizerOptions& options, std::string name,
                    std::vector<float> initial);

  const ServerOptimizerOptions& options() const { return options_; }

 private:
  // Takes a step. After an error, and where results are not finite, both are thrown away.
  virtual absl::Status Step(absl::Span<float> parameters, const ServerStep& step,
                            State& state) const = 0;

  // With the vectors as they are before the first step, if there was none.
  State StateFor(size_t count) const;

  const ServerOptimizerOptions options_;
  const std::string name_;
  const std::vector<float> initial_;
  State state_;
};

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_STATEFUL_OPTIMIZER_H_
