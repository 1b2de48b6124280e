// Small tasks and devices for the tests of the planner.
#ifndef TERN_TESTS_SERVER_PLANNER_TOOLS_H_
#define TERN_TESTS_SERVER_PLANNER_TOOLS_H_

#include <cstdint>
#include <utility>
#include <variant>

#include "core/model/cost.h"
#include "core/model/submodel.h"
#include "gtest/gtest.h"
#include "server/planner.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {

inline ModelSpec TwoLayers() {
  return {.name = "two_layers",
          .input = {6},
          .layers = {{.name = "fc1", .kind = LayerKind::kDense, .units = 16},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "fc2", .kind = LayerKind::kDense, .units = 4}}};
}

inline Task PlainTask() {
  return {.model = TwoLayers(),
          .train = {.local_epochs = 2, .batch_size = 8},
          .round = {.deadline = absl::Seconds(100)}};
}

inline Task AdaptedTask() {
  Task task = PlainTask();
  task.codec_up = "quantize(8)";
  task.adapt = {.widths = {1.0, 0.5, 0.25}, .min_batch_size = 2, .codecs = {"topk(0.1)", "none"}};
  return task;
}

inline CheckInRequest DeviceWith(const Capabilities& capabilities, int64_t num_examples = 20) {
  return {.client_id = "client-1", .capabilities = capabilities, .num_examples = num_examples};
}

// The plan as the device gets it.
inline Plan PlanOf(const Task& task, const PlanChoice& choice) {
  const Submodel submodel =
      *MakeSubmodel(task.model, {.rule = task.adapt.submodel, .width = choice.width});
  return {.model = submodel.model,
          .train = choice.train,
          .codec = choice.codec,
          .submodel = submodel.name,
          .error_feedback = choice.error_feedback};
}

// The task's answer to the device; the other kind of answer is a failure of the test.
inline std::variant<PlanChoice, Refusal> ChooseFor(const Task& task,
                                                   const CheckInRequest& request) {
  EXPECT_THAT(ValidateTask(task), testing::IsOk());
  const absl::StatusOr<Planner> planner = Planner::Create(task);
  EXPECT_THAT(planner, testing::IsOk());
  return planner->Choose(request);
}

inline PlanChoice PlanFor(const Task& task, const CheckInRequest& request) {
  auto answer = ChooseFor(task, request);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    ADD_FAILURE() << "refused: " << refusal->message;
    return {};
  }
  return std::get<PlanChoice>(std::move(answer));
}

inline Refusal RefusalOf(const Task& task, const CheckInRequest& request) {
  auto answer = ChooseFor(task, request);
  if (std::holds_alternative<PlanChoice>(answer)) {
    ADD_FAILURE() << "not refused";
    return {};
  }
  return std::get<Refusal>(std::move(answer));
}

inline double FlopsOf(const Task& task) {
  return static_cast<double>(CountCost(task.model)->training_flops);
}

}  // namespace tern::server

#endif  // TERN_TESTS_SERVER_PLANNER_TOOLS_H_
