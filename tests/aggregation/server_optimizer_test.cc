#include "aggregation/server_optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "aggregation/sealed_bytes.h"
#include "core/base/random.h"
#include "tests/testing/status_matchers.h"

namespace tern::aggregation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

absl::Status Step(ServerOptimizer& optimizer, std::vector<float>& parameters,
                  const std::vector<float>& aggregate) {
  return optimizer.Apply(absl::MakeSpan(parameters), {.aggregate = aggregate});
}

TEST(FedAvg, LearningRateOne_AddsTheAggregate) {
  const auto optimizer = MakeServerOptimizer({}).value();
  std::vector<float> parameters = {1.0f, -2.0f, 0.1f};
  ASSERT_THAT(Step(*optimizer, parameters, {0.5f, 0.25f, 0.2f}), IsOk());
  EXPECT_THAT(parameters, ElementsAre(1.5f, -1.75f, 0.1f + 0.2f));
  ASSERT_THAT(Step(*optimizer, parameters, {0.0f, 0.0f, 0.0f}), IsOk());
  EXPECT_THAT(parameters, ElementsAre(1.5f, -1.75f, 0.1f + 0.2f));
}

// Product and sum are each rounded: no fused multiply-add, on any processor.
TEST(FedAvg, AnyLearningRate_RoundsProductThenSum) {
  RandomStream random({.seed = 70});
  const float learning_rate = 0.7f;
  const auto optimizer = MakeServerOptimizer({.learning_rate = learning_rate}).value();
  std::vector<float> parameters(1000);
  std::vector<float> aggregate(1000);
  for (float& value : parameters) value = random.NextFloat() - 0.5f;
  for (float& value : aggregate) value = 0.1f * random.NextFloat() - 0.05f;
  const std::vector<float> before = parameters;
  ASSERT_THAT(Step(*optimizer, parameters, aggregate), IsOk());
  int would_differ_fused = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const volatile float product = learning_rate * aggregate[i];
    ASSERT_EQ(parameters[i], before[i] + product);
    if (std::fma(learning_rate, aggregate[i], before[i]) != parameters[i]) ++would_differ_fused;
  }
  EXPECT_GT(would_differ_fused, 0);
}

TEST(FedAvgM, KeepsAVelocity) {
  const auto optimizer =
      MakeServerOptimizer({.name = "fedavgm", .learning_rate = 2.0f, .momentum = 0.5f}).value();
  std::vector<float> parameters = {1.0f, 0.0f};
  ASSERT_THAT(Step(*optimizer, parameters, {1.0f, -1.0f}),
              IsOk());  // velocity 1, -1
  EXPECT_THAT(parameters, ::testing::ElementsAre(3.0f, -2.0f));
  ASSERT_THAT(Step(*optimizer, parameters, {0.0f, 1.0f}), IsOk());  // 0.5, 0.5
  EXPECT_THAT(parameters, ::testing::ElementsAre(4.0f, -1.0f));
  ASSERT_THAT(Step(*optimizer, parameters, {1.0f, 0.0f}), IsOk());  // 1.25, 0.25
  EXPECT_THAT(parameters, ::testing::ElementsAre(6.5f, -0.5f));
}

// Reddi et al. 2021, as published implementations run it: the same four rounds, three ends.
TEST(FedAdam, Variants_EndWhereTheirImplementationsDo) {
  const struct {
    const char* variant;
    float end;
  } kEnds[] = {{"paper", 1.355f}, {"flower", 1.224f}, {"tff", 1.267f}};
  for (const auto& [variant, end] : kEnds) {
    const auto optimizer = MakeServerOptimizer({.name = "fedadam",
                                                .learning_rate = 0.1f,
                                                .variant = ParseAdaptiveVariant(variant).value(),
                                                .beta1 = 0.9f,
                                                .beta2 = 0.99f,
                                                .tau = 1e-3f})
                               .value();
    std::vector<float> parameters = {1.0f};
    for (const float delta : {0.5f, 0.1f, -0.2f, 0.4f}) {
      ASSERT_THAT(Step(*optimizer, parameters, {delta}), IsOk());
    }
    EXPECT_NEAR(parameters[0], end, 5e-4f) << variant;
    RecordProperty(variant, absl::StrFormat("%.6f", parameters[0]));
  }
}

// What is added to the root, unless the options say otherwise.
TEST(AdaptiveOptimizers, TauZero_IsTheVariantsOwn) {
  const auto after_one = [](const char* name, const char* variant, float tau) {
    const auto optimizer =
        MakeServerOptimizer(
            {.name = name, .variant = ParseAdaptiveVariant(variant).value(), .tau = tau})
            .value();
    std::vector<float> parameters = {1.0f, -1.0f};
    EXPECT_THAT(Step(*optimizer, parameters, {1e-3f, -1e-6f}), IsOk());
    return parameters;
  };
  const struct {
    const char* name;
    const char* variant;
    float tau;
  } kDefaults[] = {
      {"fedadam", "paper", 1e-3f},  {"fedyogi", "paper", 1e-3f},  {"fedadagrad", "paper", 1e-3f},
      {"fedadam", "flower", 1e-9f}, {"fedyogi", "flower", 1e-3f}, {"fedadagrad", "flower", 1e-3f},
      {"fedadam", "tff", 1e-7f},    {"fedyogi", "tff", 1e-3f},    {"fedadagrad", "tff", 1e-7f},
  };
  for (const auto& [name, variant, tau] : kDefaults) {
    EXPECT_EQ(after_one(name, variant, 0.0f), after_one(name, variant, tau)) << name << variant;
    EXPECT_NE(after_one(name, variant, 0.0f), after_one(name, variant, 0.5f)) << name << variant;
  }
}

TEST(FedExP, UpdatesThatDisagree_MakeALongerStep) {
  const auto optimizer = MakeServerOptimizer({.name = "fedexp", .epsilon = 0.0f}).value();
  const std::vector<float> aggregate = {0.5f, 0.0f};
  std::vector<float> parameters = {0.0f, 0.0f};
  // |d|^2 = 1/4, so the step is 2 / (2 / 4) = 4 times as long.
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters),
                               {.aggregate = aggregate, .mean_squared_norm = 2.0}),
              IsOk());
  EXPECT_THAT(parameters, ElementsAre(2.0f, 0.0f));
}

TEST(FedExP, NothingToExtrapolate_IsFedAvg) {
  const auto optimizer = MakeServerOptimizer({.name = "fedexp", .epsilon = 0.0f}).value();
  std::vector<float> parameters = {1.0f};
  const std::vector<float> aggregate = {0.5f};
  ASSERT_THAT(optimizer->Apply(absl::MakeSpan(parameters),
                               {.aggregate = aggregate, .mean_squared_norm = 0.25}),
              IsOk());
  EXPECT_THAT(parameters, ElementsAre(1.5f));
  ASSERT_THAT(Step(*optimizer, parameters, {0.0f}), IsOk());  // 0 / 0
  EXPECT_THAT(parameters, ElementsAre(1.5f));
}

// Quadratics f_i = (w - c_i)^2 / 2 of two clients, both in every round, each trained to its optimum
// of f_i - g_i w + alpha / 2 |w - server's|^2: the fixed point is the optimum of their sum.
TEST(FedDyn, TwoQuadratics_ReachTheOptimumOfTheirSum) {
  const float alpha = 0.5f;
  const auto optimizer = MakeServerOptimizer({.name = "feddyn", .alpha = alpha}).value();
  const float centers[] = {-3.0f, 5.0f};
  float gradients[] = {0.0f, 0.0f};
  std::vector<float> parameters = {10.0f};
  for (int round = 0; round < 60; ++round) {
    float mean = 0.0f;
    for (int i = 0; i < 2; ++i) {
      const float trained = (centers[i] + gradients[i] + alpha * parameters[0]) / (1.0f + alpha);
      gradients[i] -= alpha * (trained - parameters[0]);
      mean += 0.5f * (trained - parameters[0]);
    }
    ASSERT_THAT(Step(*optimizer, parameters, {mean}), IsOk());
  }
  EXPECT_NEAR(parameters[0], 1.0f, 1e-4f);
}

TEST(FedDyn, LearningRateOtherThanOne_IsInvalidArgument) {
  EXPECT_THAT(MakeServerOptimizer({.name = "feddyn", .learning_rate = 0.5f}),
              StatusIs(kInvalid, "'feddyn': learning_rate is 0.5, expected 1"));
  const auto optimizer = MakeServerOptimizer({.name = "feddyn"}).value();
  std::vector<float> parameters = {1.0f};
  const std::vector<float> aggregate = {1.0f};
  EXPECT_THAT(optimizer->Apply(absl::MakeSpan(parameters),
                               {.aggregate = aggregate, .learning_rate_factor = 0.5f}),
              StatusIs(kInvalid, "the learning rate's factor is 0.5, expected 1"));
  EXPECT_EQ(optimizer->Serialize(), "");
}

constexpr const char* kNames[] = {"fedavg",  "fedavgm", "fedadagrad", "fedadam",
                                  "fedyogi", "fedexp",  "feddyn"};
constexpr const char* kWithState[] = {"fedavgm", "fedadagrad", "fedadam", "fedyogi", "feddyn"};

TEST(ServerOptimizer, LearningRateFactor_MultipliesTheLearningRate) {
  for (const std::string name : kNames) {
    if (name == "feddyn") continue;
    const auto halved = MakeServerOptimizer({.name = name, .learning_rate = 0.25f}).value();
    const auto scheduled = MakeServerOptimizer({.name = name, .learning_rate = 0.5f}).value();
    std::vector<float> expected = {1.0f};
    std::vector<float> parameters = {1.0f};
    const std::vector<float> aggregate = {0.3f};
    ASSERT_THAT(Step(*halved, expected, aggregate), IsOk());
    ASSERT_THAT(scheduled->Apply(absl::MakeSpan(parameters),
                                 {.aggregate = aggregate, .learning_rate_factor = 0.5f}),
                IsOk());
    EXPECT_EQ(parameters, expected) << name;
  }
}

TEST(ServerOptimizer, StepThatIsNotFinite_LeavesTheStateAsItWas) {
  for (const char* const name : kNames) {
    const auto optimizer = MakeServerOptimizer({.name = name}).value();
    std::vector<float> parameters = {1.0f, 1.0f};
    ASSERT_THAT(Step(*optimizer, parameters, {0.1f, -0.1f}), IsOk());
    const std::string state = optimizer->Serialize();
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {infinity, -infinity, std::nanf("")}) {
      std::vector<float> thrown_away = parameters;
      EXPECT_THAT(Step(*optimizer, thrown_away, {0.1f, bad}),
                  StatusIs(kFailedPrecondition, "not finite; lower strategy.learning_rate"))
          << name;
    }
    std::vector<float> large = {3.4e38f, 1.0f};
    EXPECT_THAT(Step(*optimizer, large, {3.4e38f, 0.0f}), StatusIs(kFailedPrecondition, name));
    EXPECT_EQ(optimizer->Serialize(), state) << name;
  }
}

TEST(ServerOptimizer, State_GoesOnInAnotherOptimizer) {
  for (const char* const name : kNames) {
    RandomStream random({.seed = 71});
    const auto first = MakeServerOptimizer({.name = name}).value();
    EXPECT_EQ(first->Serialize(), "");
    auto resumed = MakeServerOptimizer({.name = name}).value();
    std::vector<float> expected(10, 1.0f);
    std::vector<float> parameters = expected;
    for (int round = 0; round < 5; ++round) {
      std::vector<float> aggregate(10);
      for (float& value : aggregate) value = random.NextFloat() - 0.5f;
      ASSERT_THAT(Step(*first, expected, aggregate), IsOk());
      ASSERT_THAT(Step(*resumed, parameters, aggregate), IsOk());
      const std::string state = resumed->Serialize();
      resumed = MakeServerOptimizer({.name = name}).value();
      ASSERT_THAT(resumed->Deserialize(state), IsOk());
      ASSERT_EQ(resumed->Serialize(), state);
    }
    EXPECT_EQ(parameters, expected) << name;
  }
}

TEST(ServerOptimizer, StateTruncatedOrFlipped_IsDataLossAndChangesNothing) {
  const auto optimizer = MakeServerOptimizer({.name = "fedadam"}).value();
  std::vector<float> parameters = {1.0f, 2.0f, 3.0f};
  ASSERT_THAT(Step(*optimizer, parameters, {0.1f, 0.2f, 0.3f}), IsOk());
  const std::string state = optimizer->Serialize();
  for (size_t i = 0; i < state.size(); ++i) {
    if (i > 0) {
      EXPECT_THAT(optimizer->Deserialize(state.substr(0, i)), StatusIs(kDataLoss, "fedadam"));
    }
    std::string flipped = state;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_THAT(optimizer->Deserialize(flipped), StatusIs(kDataLoss, "checksum"));
    ASSERT_EQ(optimizer->Serialize(), state);
  }
}

// With a checksum that is right: steps, coordinates and numbers that cannot be.
TEST(ServerOptimizer, StateThatIsForged_IsDataLoss) {
  const auto optimizer = MakeServerOptimizer({.name = "fedavgm"}).value();
  std::vector<float> parameters = {1.0f, 2.0f};
  ASSERT_THAT(Step(*optimizer, parameters, {0.1f, 0.2f}), IsOk());
  const auto forge = [&](size_t offset, auto value) {
    std::string state = optimizer->Serialize();
    state.resize(state.size() - sizeof(uint32_t));
    std::memcpy(state.data() + offset, &value, sizeof(value));
    EndSeal(state);
    const auto fresh = MakeServerOptimizer({.name = "fedavgm"}).value();
    EXPECT_THAT(fresh->Deserialize(state), StatusIs(kDataLoss, "state of fedavgm"));
    EXPECT_EQ(fresh->Serialize(), "");
  };
  for (const int64_t bad : {int64_t{0}, int64_t{-1}}) forge(kSealHeaderBytes, bad);
  for (const int64_t bad : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{3}, int64_t{1} << 62,
                            (int64_t{1} << 62) + 2, std::numeric_limits<int64_t>::max()}) {
    forge(kSealHeaderBytes + 8, bad);
  }
  forge(kSealHeaderBytes + 16, std::nanf(""));
}

TEST(ServerOptimizer, StateOfAnotherOptimizerVariantOrLength_IsRefused) {
  for (const char* const name : kWithState) {
    const auto optimizer = MakeServerOptimizer({.name = name}).value();
    std::vector<float> parameters = {1.0f, 2.0f};
    ASSERT_THAT(Step(*optimizer, parameters, {0.1f, 0.2f}), IsOk());
    for (const std::string other : kNames) {
      if (other == name) continue;
      EXPECT_THAT(MakeServerOptimizer({.name = other}).value()->Deserialize(optimizer->Serialize()),
                  StatusIs(kDataLoss, "written by another"));
    }
    const auto longer = MakeServerOptimizer({.name = name}).value();
    std::vector<float> three = {1.0f, 2.0f, 3.0f};
    ASSERT_THAT(Step(*longer, three, {0.1f, 0.2f, 0.3f}), IsOk());
    EXPECT_THAT(longer->Deserialize(optimizer->Serialize()),
                StatusIs(kDataLoss, "2 coordinates, expected 3"));
    const auto fresh = MakeServerOptimizer({.name = name}).value();
    ASSERT_THAT(fresh->Deserialize(optimizer->Serialize()), IsOk());
    EXPECT_THAT(Step(*fresh, three, {0.1f, 0.2f, 0.3f}),
                StatusIs(kFailedPrecondition, "state is of 2 coordinates, the model has 3"));
  }
  const auto paper = MakeServerOptimizer({.name = "fedadam"}).value();
  std::vector<float> parameters = {1.0f};
  ASSERT_THAT(Step(*paper, parameters, {0.1f}), IsOk());
  const auto tff =
      MakeServerOptimizer({.name = "fedadam", .variant = AdaptiveVariant::kTff}).value();
  EXPECT_THAT(tff->Deserialize(paper->Serialize()), StatusIs(kDataLoss, "fedadam (tff)"));
}

TEST(MakeServerOptimizer, OptionsOutOfRange_AreInvalidArgument) {
  for (const float bad : {-0.1f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(MakeServerOptimizer({.name = "fedavgm", .momentum = bad}),
                StatusIs(kInvalid, "server optimizer 'fedavgm': momentum is "));
    EXPECT_THAT(MakeServerOptimizer({.name = "fedadam", .beta1 = bad}),
                StatusIs(kInvalid, "server optimizer 'fedadam': beta1 is "));
    EXPECT_THAT(MakeServerOptimizer({.name = "fedyogi", .beta2 = bad}),
                StatusIs(kInvalid, "expected 0 or more, below 1"));
  }
  for (const float bad : {-0.1f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    EXPECT_THAT(MakeServerOptimizer({.name = "fedadam", .tau = bad}),
                StatusIs(kInvalid, "expected 0 or more, finite"));
    EXPECT_THAT(MakeServerOptimizer({.name = "fedexp", .epsilon = bad}),
                StatusIs(kInvalid, "server optimizer 'fedexp': epsilon is "));
    EXPECT_THAT(MakeServerOptimizer({.name = "feddyn", .alpha = bad}),
                StatusIs(kInvalid, "expected above 0, finite"));
  }
  EXPECT_THAT(MakeServerOptimizer({.name = "feddyn", .alpha = 0.0f}),
              StatusIs(kInvalid, "server optimizer 'feddyn': alpha is 0"));
}

TEST(ParseAdaptiveVariant, UnknownName_ListsTheNames) {
  EXPECT_EQ(ParseAdaptiveVariant("flower").value(), AdaptiveVariant::kFlower);
  EXPECT_THAT(ParseAdaptiveVariant("keras"),
              StatusIs(kInvalid,
                       "no variant 'keras' of the adaptive server optimizers; there are "
                       "paper, flower, tff"));
}

TEST(MakeServerOptimizer, LearningRateOutOfRange_IsInvalidArgument) {
  for (const float learning_rate :
       {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(MakeServerOptimizer({.learning_rate = learning_rate}),
                StatusIs(kInvalid, "server optimizer 'fedavg': learning_rate is "));
  }
}

TEST(MakeServerOptimizer, UnknownName_ListsTheNames) {
  EXPECT_THAT(MakeServerOptimizer({.name = "adam"}),
              StatusIs(kInvalid,
                       "no server optimizer 'adam'; there are fedavg, fedavgm, fedadagrad, "
                       "fedadam, fedyogi, fedexp, feddyn"));
}

TEST(FedAvgDeathTest, LengthsThatDiffer_AreABugOfTheCaller) {
  const auto optimizer = MakeServerOptimizer({}).value();
  std::vector<float> parameters(3);
  EXPECT_DEATH((void)Step(*optimizer, parameters, {1.0f}), "check failed");
}

}  // namespace
}  // namespace tern::aggregation
