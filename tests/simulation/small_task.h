// A task that a simulation finishes in milliseconds.
#ifndef TERN_TESTS_SIMULATION_SMALL_TASK_H_
#define TERN_TESTS_SIMULATION_SMALL_TASK_H_

#include "server/task.h"

namespace tern::simulation {

// 8 -> 16 -> 4: 212 parameters; 968 operations of training an example.
inline ModelSpec SmallMlp() {
  return {.name = "small",
          .input = {8},
          .layers = {{.name = "fc1", .kind = LayerKind::kDense, .units = 16},
                     {.name = "relu1", .kind = LayerKind::kRelu},
                     {.name = "fc2", .kind = LayerKind::kDense, .units = 4}}};
}

inline server::Task SmallTask() {
  return {.model = SmallMlp(),
          .num_rounds = 5,
          .train = {.local_epochs = 1, .batch_size = 5, .learning_rate = 0.1f},
          .codec_up = "quantize(8)",
          .round = {.cohort_size = 6}};
}

}  // namespace tern::simulation

#endif  // TERN_TESTS_SIMULATION_SMALL_TASK_H_
