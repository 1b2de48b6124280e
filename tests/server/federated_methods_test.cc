// Methods that have a half on the clients and one on the coordinator, both as they are deployed, on
// two quadratics whose clients pull in opposite directions with unlike force.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "client/session.h"
#include "server/coordinator.h"
#include "tests/testing/direct_transport.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::tern::testing::DirectTransport;
using ::tern::testing::FakeDataset;
using ::tern::testing::IsOk;
using ::tern::testing::SmallestModel;
using ::testing::DoubleNear;

// force / 2 * (w - center)^2 of the first coordinate; the others stay 0.
struct Quadratic {
  float force = 1.0f;
  float center = 0.0f;
};

// The optimum of their sum is (1 * 1 - 10 * 1) / 11.
constexpr Quadratic kQuadratics[] = {{1.0f, 1.0f}, {10.0f, -1.0f}};
constexpr double kOptimum = -9.0 / 11.0;
// Where 20 steps of 0.05 on each, averaged, come to rest.
constexpr double kWhereFedAvgStalls = -0.2184;

// Steps of gradient descent on a quadratic, with all that a step of SGD adds to the gradient.
class QuadraticTrainer final : public Trainer {
 public:
  explicit QuadraticTrainer(const Quadratic& quadratic) : quadratic_(quadratic) {}

  absl::StatusOr<TrainReport> Train(const Plan& plan, uint64_t /*client*/,
                                    const Dataset& /*dataset*/, absl::Span<float> parameters,
                                    absl::Span<float> control) override {
    float& w = parameters[0];
    const float start = w;
    const float start_gradient = quadratic_.force * (w - quadratic_.center);
    for (int64_t step = 0; step < plan.train.local_epochs; ++step) {
      const float gradient = quadratic_.force * (w - quadratic_.center) +
                             plan.train.proximal_mu * (w - start) +
                             (control.empty() ? 0.0f : control[0]);
      w -= plan.train.learning_rate * gradient;
    }
    if (plan.train.method == ClientMethod::kScaffoldGradient) control[0] = start_gradient;
    return TrainReport{.num_examples = 1, .local_steps = plan.train.local_epochs};
  }

 private:
  const Quadratic quadratic_;
};

class Client {
 public:
  Client(const std::string& id, const Quadratic& quadratic, Coordinator* coordinator,
         const Clock* clock)
      : transport_(coordinator),
        trainer_(quadratic),
        session_({.client_id = id}, {.transport = &transport_,
                                     .trainer = &trainer_,
                                     .dataset = &dataset_,
                                     .clock = clock,
                                     .buffers = &buffers_,
                                     .state = &state_}) {}

  bool finished() const { return session_.state() == client::Session::State::kFinished; }
  client::Session::Progress Step() { return session_.Step(); }

 private:
  FakeDataset dataset_ = FakeDataset::Random({2}, 2, 1);
  DirectTransport transport_;
  QuadraticTrainer trainer_;
  client::MemoryDeviceState state_;
  client::SessionBuffers buffers_;
  client::Session session_;
};

Task TaskOf(ClientMethod method) {
  return {.model = SmallestModel(),
          .initial_parameters = {0, 0, 0, 0, 0, 0},
          .num_rounds = 200,
          .train = {.local_epochs = 20, .batch_size = 1, .learning_rate = 0.05f, .method = method},
          .round = {.cohort_size = 2}};
}

// The first coordinate after the last round of the task, with both clients in every round.
double WhereItEnds(const Task& task) {
  SimulatedClock clock;
  auto coordinator = Coordinator::Create(task, {.clock = &clock});
  EXPECT_THAT(coordinator, IsOk());
  std::vector<std::unique_ptr<Client>> clients;
  for (const Quadratic& quadratic : kQuadratics) {
    clients.push_back(std::make_unique<Client>("client-" + std::to_string(clients.size()),
                                               quadratic, coordinator->get(), &clock));
  }
  const int64_t most_steps = 8 * task.num_rounds;
  for (int64_t step = 0; step < most_steps && !(*coordinator)->finished(); ++step) {
    for (const auto& client : clients) {
      const client::Session::Progress progress = client->Step();
      EXPECT_THAT(progress.message, ::testing::Not(::testing::HasSubstr("failed")));
      clock.Advance(progress.wait);
    }
  }
  EXPECT_TRUE((*coordinator)->finished());
  const double end = static_cast<double>((*coordinator)->model()->parameters[0]);
  ::testing::Test::RecordProperty("end", absl::StrFormat("%.6f", end));
  return end;
}

TEST(TwoQuadratics, FedAvgStallsBetweenTheClientsOwnOptima) {
  EXPECT_THAT(WhereItEnds(TaskOf(ClientMethod::kSgd)), DoubleNear(kWhereFedAvgStalls, 1e-3));
}

TEST(TwoQuadratics, ScaffoldReachesTheOptimum) {
  EXPECT_THAT(WhereItEnds(TaskOf(ClientMethod::kScaffold)), DoubleNear(kOptimum, 1e-3));
}

// With as many steps as above, controls that stay at the start's gradient lead too far: 20 steps of
// 0.05 against a force of 10 diverge.
TEST(TwoQuadratics, ScaffoldByTheGradientReachesTheOptimumInFewerSteps) {
  Task task = TaskOf(ClientMethod::kScaffoldGradient);
  task.train.local_epochs = 2;
  EXPECT_THAT(WhereItEnds(task), DoubleNear(kOptimum, 1e-3));
}

TEST(TwoQuadratics, FedDynReachesTheOptimum) {
  Task task = TaskOf(ClientMethod::kFedDyn);
  task.train.proximal_mu = 1.0f;
  task.optimizer.name = "feddyn";
  task.weights.kind = WeightKind::kUniform;
  EXPECT_THAT(WhereItEnds(task), DoubleNear(kOptimum, 1e-3));
}

// What the device keeps is what the coordinator decoded, so what a codec loses is made up for.
TEST(TwoQuadratics, ScaffoldReachesTheOptimumThroughACodecThatLoses) {
  Task task = TaskOf(ClientMethod::kScaffold);
  task.codec_up = "quantize(8)";
  EXPECT_THAT(WhereItEnds(task), DoubleNear(kOptimum, 1e-3));
}

TEST(TwoQuadratics, FedProxStallsNearerToTheOptimumThanFedAvg) {
  Task task = TaskOf(ClientMethod::kSgd);
  task.train.proximal_mu = 10.0f;
  const double end = WhereItEnds(task);
  EXPECT_LT(end, kWhereFedAvgStalls - 0.1);
  EXPECT_GT(end, kOptimum + 0.01);
}

TEST(TwoQuadratics, EveryServerOptimizerGetsPastTheStart) {
  for (const char* name : {"fedavgm", "fedadagrad", "fedadam", "fedyogi", "fedexp"}) {
    Task task = TaskOf(ClientMethod::kSgd);
    task.optimizer.name = name;
    task.optimizer.learning_rate = 0.1f;
    EXPECT_LT(WhereItEnds(task), -0.1) << name;
  }
}

TEST(FederatedMethods, FedDynTakesPlainMeans) {
  Task task = TaskOf(ClientMethod::kFedDyn);
  task.train.proximal_mu = 1.0f;
  task.optimizer.name = "feddyn";
  EXPECT_THAT(ValidateTask(task).message(), ::testing::HasSubstr("weights uniform"));
}

TEST(FederatedMethods, FedDynOnOneSideOnlyIsRefused) {
  Task task = TaskOf(ClientMethod::kFedDyn);
  task.train.proximal_mu = 1.0f;
  EXPECT_THAT(ValidateTask(task).message(), ::testing::HasSubstr("feddyn is both or neither"));
  task.train.method = ClientMethod::kSgd;
  task.optimizer.name = "feddyn";
  EXPECT_THAT(ValidateTask(task).message(), ::testing::HasSubstr("feddyn is both or neither"));
}

}  // namespace
}  // namespace tern::server
