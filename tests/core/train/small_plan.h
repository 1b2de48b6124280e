// A plan that trains in no time, and training options for it.
#ifndef TERN_TESTS_CORE_TRAIN_SMALL_PLAN_H_
#define TERN_TESTS_CORE_TRAIN_SMALL_PLAN_H_

#include <vector>

#include "core/model/parameter_layout.h"
#include "core/train/plan.h"

namespace tern::testing {

inline ModelSpec SmallModel() {
  return {.name = "small",
          .input = {2, 3, 3},
          .layers = {{.name = "flatten", .kind = LayerKind::kFlatten},
                     {.name = "fc1", .kind = LayerKind::kDense, .units = 12},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "fc2", .kind = LayerKind::kDense, .units = 4}}};
}

inline Plan SmallPlan() {
  return {.model = SmallModel(),
          .train = {.local_epochs = 2, .batch_size = 8, .learning_rate = 0.1f},
          .seed = 5,
          .round = 3};
}

inline std::vector<float> StartOf(const Plan& plan) {
  return InitialParameters(MakeParameterLayout(plan.model).value(), 9);
}

// Every combination of what takes memory, and one with all options.
inline std::vector<TrainOptions> TrainOptionsWithMemory() {
  std::vector<TrainOptions> all(7, SmallPlan().train);
  all[0].momentum = 0.9f;
  all[1].clip_norm = 0.5f;
  all[2].proximal_mu = 0.5f;
  all[3].momentum = all[4].momentum = all[6].momentum = 0.9f;
  all[3].nesterov = all[6].nesterov = true;
  all[4].proximal_mu = all[5].proximal_mu = all[6].proximal_mu = 0.5f;
  all[5].clip_value = all[6].clip_value = 0.05f;
  all[6].clip_norm = 0.5f;
  all[6].weight_decay = 0.1f;
  return all;
}

// Those, and options of how the model is compiled and of what it is trained on.
inline std::vector<TrainOptions> EveryTrainOption() {
  std::vector<TrainOptions> all = TrainOptionsWithMemory();
  const auto add = [&](TrainOptions train, auto change) {
    change(train);
    all.push_back(train);
  };
  const TrainOptions plain = SmallPlan().train;
  const TrainOptions full = all.back();
  for (const TrainOptions& train : {plain, full}) {
    add(train, [](TrainOptions& t) { t.micro_batch_size = 3; });
    add(train, [](TrainOptions& t) { t.memory = MemoryMode::kSmall; });
    add(train, [](TrainOptions& t) { t.scope.frozen_layers = {"fc1"}; });
    add(train, [](TrainOptions& t) { t.scope.biases_only = true; });
    add(train, [](TrainOptions& t) { t.scope.channels = 0.5f; });
    add(train, [](TrainOptions& t) { t.loss.kind = LossKind::kMeanSquaredError; });
    add(train, [](TrainOptions& t) { t.only_present_classes = true; });
    add(train, [](TrainOptions& t) { t.method = ClientMethod::kScaffold; });
    add(train, [](TrainOptions& t) { t.method = ClientMethod::kScaffoldGradient; });
  }
  return all;
}

}  // namespace tern::testing

#endif  // TERN_TESTS_CORE_TRAIN_SMALL_PLAN_H_
