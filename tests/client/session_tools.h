// A session with a coordinator, a trainer and a state that do as a test says.
#ifndef TERN_TESTS_CLIENT_SESSION_TOOLS_H_
#define TERN_TESTS_CLIENT_SESSION_TOOLS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/device_state.h"
#include "client/session.h"
#include "client/stored_vector.h"
#include "tests/client/fake_coordinator.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern::client {

// Adds `update` to the parameters, or what `step` says, and remembers what it was given.
class ScriptedTrainer final : public Trainer {
 public:
  absl::StatusOr<TrainReport> Train(const Plan&, uint64_t, const Dataset& dataset,
                                    absl::Span<float> parameters,
                                    absl::Span<float> control) override {
    start.assign(parameters.begin(), parameters.end());
    given_control.assign(control.begin(), control.end());
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i] += gradient.empty()
                           ? update.at(i)
                           : -length * (gradient[i] + (control.empty() ? 0.0f : control[i]));
    }
    // Of use with option I of SCAFFOLD; else of none.
    for (size_t i = 0; i < control.size(); ++i) {
      control[i] = gradient.empty() ? -123.0f : gradient[i];
    }
    return TrainReport{.num_examples = dataset.size(),
                       .local_steps = local_steps,
                       .train_loss = 0.5,
                       .metrics = metrics};
  }

  std::vector<float> update;
  // If not empty: of a loss that is linear, all steps together being `length` long.
  std::vector<float> gradient;
  float length = 1.0f;
  int64_t local_steps = 1;
  std::map<std::string, double> metrics;

  std::vector<float> start;
  std::vector<float> given_control;
};

// Refuses to write anything but nothing, or to read, if told so.
class FailingState final : public DeviceState {
 public:
  absl::StatusOr<int64_t> Size(absl::string_view name) override { return inner.Size(name); }
  absl::Status Read(absl::string_view name, int64_t offset, absl::Span<char> out) override {
    if (reads_left == 0) return absl::UnknownError("cannot read");
    if (reads_left > 0) --reads_left;
    return inner.Read(name, offset, out);
  }
  absl::Status Write(absl::string_view name, absl::string_view value) override {
    if (fails && !value.empty()) {
      return absl::ResourceExhaustedError(absl::StrCat(name, ": disk full"));
    }
    return inner.Write(name, value);
  }
  MemoryDeviceState inner;
  bool fails = false;
  int reads_left = -1;  // below 0: any number
};

// One dense layer: `units` * inputs weights, then `units` biases.
inline ModelSpec DenseModel(int64_t inputs, int64_t units) {
  return {.name = "dense",
          .input = {inputs},
          .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = units}}};
}

class SessionTools : public ::testing::Test {
 protected:
  using State = Session::State;

  Session MakeSession(DeviceState* state) {
    return Session({.client_id = "device"}, {.transport = &coordinator_,
                                             .trainer = &trainer_,
                                             .dataset = &dataset_,
                                             .clock = &clock_,
                                             .buffers = &buffers_,
                                             .state = state});
  }
  // Check-in, download and training.
  Session::Progress StepToSubmit(Session& session) {
    session.Step();
    session.Step();
    Session::Progress progress = session.Step();
    EXPECT_EQ(progress.next, State::kSubmit) << progress.message;
    return progress;
  }
  // A whole round. What the last step, which submits, says.
  Session::Progress WholeRound(Session& session) {
    StepToSubmit(session);
    return session.Step();
  }
  // A whole round, in which training changes the model by `update`. What the coordinator got.
  std::vector<float> Round(Session& session, const std::vector<float>& update) {
    trainer_.update = update;
    WholeRound(session);
    return coordinator_.LastCoordinates();
  }
  // What is kept for `plan`; zeros: nothing.
  std::vector<float> Kept(const StoredVector& which, const Plan& plan, DeviceState& state,
                          size_t count = 6) const {
    const Lease lease{.task = coordinator_.task, .plan = plan, .model_version = 1 << 20};
    std::vector<float> values(count, 0.0f);
    const auto once = [](uint64_t) { return 1.0f; };
    EXPECT_THAT(AddStoredVector(which, lease, once, state, absl::MakeSpan(values)),
                testing::IsOk());
    return values;
  }

  FakeCoordinator coordinator_;
  ScriptedTrainer trainer_;
  testing::FakeDataset dataset_ = testing::FakeDataset::Random({2}, 2, 20);
  SimulatedClock clock_;
  SessionBuffers buffers_;
  MemoryDeviceState state_;
};

}  // namespace tern::client

#endif  // TERN_TESTS_CLIENT_SESSION_TOOLS_H_
