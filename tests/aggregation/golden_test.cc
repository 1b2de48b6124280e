// Against what NumPy computed from the same formulas: tests/golden/aggregation.py.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "aggregation/learning_rate_schedule.h"
#include "aggregation/mean.h"
#include "aggregation/server_optimizer.h"
#include "tests/aggregation/test_updates.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::nlohmann::json;
using ::tern::testing::IsOk;

json Cases(const char* name) {
  std::ifstream file("tests/golden/aggregation.json");
  return json::parse(file).at(name);
}

// To 1e-6, of expected numbers above 1 relative.
void ExpectNear(double actual, double expected, const json& of) {
  EXPECT_NEAR(actual, expected, 1e-6 * std::max(1.0, std::abs(expected))) << of.dump();
}

void ExpectNear(absl::Span<const float> actual, const std::vector<double>& expected,
                const json& of) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectNear(actual[i], expected[i], of);
  }
}

SharedSet SetOf(const json& runs, int64_t count) {
  if (runs.is_null()) return nullptr;
  std::vector<CoordinateRun> list;
  for (const json& run : runs) list.push_back({.begin = run.at(0), .size = run.at(1)});
  return MakeSet(list, count);
}

Aggregate AggregateOf(const json& of) {
  const json& options = of.at("options");
  const std::string name = of.at("name");
  const AggregatorOptions made_of = {
      .name = name,
      .clip_norm = options.value("clip_norm", 1.0f),
      .fairness = options.value("fairness", 1.0f),
      .client_learning_rate = options.value("client_learning_rate", 1.0f),
      .measure_norms = name == "mean"};
  const int64_t count = of.at("count");
  auto aggregator =
      MakeAggregator(made_of, {.count = count, .max_total_weight = 10000, .max_updates = 100})
          .value();
  for (const json& update : of.at("updates")) {
    const double steps = FedNovaStepsNorm(update.at("steps"), options.value("momentum", 0.0f),
                                          options.value("pull", 0.0f));
    const UpdateFacts facts = {
        .weight = update.at("weight"), .steps_norm = steps, .start_loss = update.at("start_loss")};
    const auto values = update.at("values").get<std::vector<float>>();
    TestUpdate(values, facts, SetOf(update.at("runs"), count)).AddTo(*aggregator);
  }
  return (std::move(*aggregator).Report({})).value();
}

TEST(Golden, Aggregates_AreThoseOfNumPy) {
  const json cases = Cases("aggregators");
  ASSERT_GE(cases.size(), 10u);
  for (const json& of : cases) {
    const json shown = {of.at("name"), of.at("options")};
    const Aggregate aggregate = AggregateOf(of);
    ExpectNear(aggregate.values, of.at("expected"), shown);
    ExpectNear(aggregate.mean_squared_norm, of.at("expected_mean_squared_norm"), shown);
  }
}

TEST(Golden, StepsNorms_AreSumsOverImpulses) {
  for (const json& of : Cases("steps_norms")) {
    ExpectNear(FedNovaStepsNorm(of.at("steps"), of.at("momentum"), of.at("pull")),
               of.at("expected"), of);
  }
}

std::unique_ptr<ServerOptimizer> OptimizerOf(const json& of) {
  const json& options = of.at("options");
  ServerOptimizerOptions made_of = {.name = of.at("name")};
  made_of.learning_rate = options.value("learning_rate", made_of.learning_rate);
  made_of.momentum = options.value("momentum", made_of.momentum);
  made_of.variant = ParseAdaptiveVariant(options.value("variant", "paper")).value();
  made_of.beta1 = options.value("beta1", made_of.beta1);
  made_of.beta2 = options.value("beta2", made_of.beta2);
  made_of.tau = options.value("tau", made_of.tau);
  made_of.epsilon = options.value("epsilon", made_of.epsilon);
  made_of.alpha = options.value("alpha", made_of.alpha);
  return MakeServerOptimizer(made_of).value();
}

// After each round; the state is written down and read back in between.
TEST(Golden, TrajectoriesOfServerOptimizers_AreThoseOfNumPy) {
  const json cases = Cases("optimizers");
  ASSERT_GE(cases.size(), 34u);
  for (const json& of : cases) {
    const json shown = {of.at("name"), of.at("options")};
    auto parameters = of.at("start").get<std::vector<float>>();
    std::string state;
    for (size_t round = 0; round < of.at("rounds").size(); ++round) {
      const json& step = of.at("rounds").at(round);
      const auto aggregate = step.at("aggregate").get<std::vector<float>>();
      const auto optimizer = OptimizerOf(of);
      ASSERT_THAT(optimizer->Deserialize(state), IsOk());
      ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters),
                                   {.aggregate = aggregate,
                                    .mean_squared_norm = step.at("mean_squared_norm"),
                                    .participation = step.at("participation"),
                                    .learning_rate_factor = step.at("factor")}),
                  IsOk());
      state = optimizer->Serialize();
      SCOPED_TRACE(round);
      ExpectNear(parameters, of.at("expected").at(round), shown);
    }
  }
}

TEST(Golden, Schedules_AreThoseOfNumPy) {
  for (const json& of : Cases("schedules")) {
    const json& options = of.at("schedule");
    LearningRateSchedule schedule = {.kind = options.at("kind")};
    schedule.warmup_rounds = options.value("warmup_rounds", schedule.warmup_rounds);
    schedule.decay = options.value("decay", schedule.decay);
    schedule.every = options.value("every", schedule.every);
    schedule.floor = options.value("floor", schedule.floor);
    ASSERT_THAT(ValidateSchedule(schedule), IsOk());
    const auto expected = of.at("expected").get<std::vector<double>>();
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto round = static_cast<int64_t>(i) + 1;
      ExpectNear(ScheduleFactor(schedule, round, of.at("num_rounds")), expected[i], options);
    }
  }
}

}  // namespace
}  // namespace tern::aggregation
