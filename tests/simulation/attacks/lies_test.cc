#include "simulation/attacks/lies.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load_population.h"

namespace tern::simulation {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// What the kind makes of the update.
std::vector<float> Tell(absl::string_view kind, const LieInputs& inputs,
                        std::vector<float> update) {
  FindLie(kind).tell(inputs, absl::MakeSpan(update));
  return update;
}

HonestUpdates TwoHonestUpdates() {
  HonestUpdates honest;
  honest.Add({1.0f, 2.0f, -4.0f});
  honest.Add({3.0f, 2.0f, -1.0f});
  return honest;
}

TEST(HonestUpdates, MeanAndDeviationOfEachCoordinate) {
  const HonestUpdates honest = TwoHonestUpdates();
  EXPECT_EQ(honest.count(), 2);
  EXPECT_EQ(honest.mean(0), 2.0);
  EXPECT_EQ(honest.mean(2), -2.5);
  EXPECT_DOUBLE_EQ(honest.standard_deviation(0), std::sqrt(2.0));
  EXPECT_EQ(honest.standard_deviation(1), 0.0);
}

TEST(HonestUpdates, OfOneUpdate_DoNotDeviate) {
  HonestUpdates honest;
  honest.Add({1.0f});
  EXPECT_EQ(honest.mean(0), 1.0);
  EXPECT_EQ(honest.standard_deviation(0), 0.0);
}

TEST(Lies, EveryKindOfTheConfigurationIsThere) {
  for (const std::string& name : server::AttackNames()) EXPECT_EQ(FindLie(name).name, name);
}

TEST(Lies, LabelFlip_SendsWhatTrainingOnFlippedLabelsGave) {
  EXPECT_TRUE(FindLie("label_flip").flips_labels);
  EXPECT_EQ(FindLie("label_flip").tell, nullptr);
}

TEST(Lies, SignFlip_IsTheOppositeTimesTheScale) {
  EXPECT_THAT(Tell("sign_flip", {}, {1.0f, -2.0f}), ElementsAre(-1.0f, 2.0f));
  EXPECT_THAT(Tell("sign_flip", {.scale = 10.0}, {1.0f, -2.0f}), ElementsAre(-10.0f, 20.0f));
}

TEST(Lies, Gaussian_IsNoiseOfTheScaleWhateverTheUpdateIs) {
  const LieInputs inputs = {.scale = 3.0, .key = {.seed = 1, .round = 2, .client = 3}};
  const std::vector<float> noise = Tell("gaussian", inputs, std::vector<float>(10'000, 5.0f));
  double sum = 0.0, squares = 0.0;
  for (const float value : noise) {
    sum += value;
    squares += value * value;
  }
  // Five standard errors each.
  EXPECT_NEAR(sum / 1e4, 0.0, 5 * 3.0 / 100);
  EXPECT_NEAR(std::sqrt(squares / 1e4), 3.0, 5 * 3.0 / std::sqrt(2e4));
  EXPECT_EQ(Tell("gaussian", inputs, std::vector<float>(10'000, -1.0f)), noise);
  LieInputs other = inputs;
  other.key.client = 4;
  EXPECT_NE(Tell("gaussian", other, std::vector<float>(10'000)), noise);
}

TEST(Lies, ModelReplacement_BoostsSoThatTheMeanBecomesTheAttackersModel) {
  EXPECT_TRUE(FindLie("model_replacement").flips_labels);
  const LieInputs inputs = {.cohort_size = 10, .num_attackers = 4};
  EXPECT_THAT(Tell("model_replacement", inputs, {2.0f}), ElementsAre(5.0f));
  EXPECT_THAT(Tell("model_replacement", {.scale = 3.0}, {2.0f}), ElementsAre(6.0f));
}

TEST(Lies, Alie_IsScaleDeviationsBelowTheMean) {
  const HonestUpdates honest = TwoHonestUpdates();
  const LieInputs inputs = {.scale = 1.5, .honest = &honest};
  const auto lie = Tell("alie", inputs, {9.0f, 9.0f, 9.0f});
  EXPECT_FLOAT_EQ(lie[0], static_cast<float>(2.0 - 1.5 * std::sqrt(2.0)));
  EXPECT_FLOAT_EQ(lie[1], 2.0f);
  EXPECT_FLOAT_EQ(lie[2], static_cast<float>(-2.5 - 1.5 * std::sqrt(4.5)));
}

TEST(Lies, Alie_WithoutAScale_TakesThatOfThePaper) {
  const HonestUpdates honest = TwoHonestUpdates();
  const LieInputs inputs = {.cohort_size = 50, .num_attackers = 24, .honest = &honest};
  EXPECT_FLOAT_EQ(Tell("alie", inputs, {0.0f, 0.0f, 0.0f})[0],
                  static_cast<float>(2.0 - AlieScale(50, 24) * std::sqrt(2.0)));
}

// Quantiles of the normal distribution from tables.
TEST(Lies, AlieScale_IsTheQuantileOfThePaper) {
  EXPECT_NEAR(AlieScale(50, 24), 1.426077, 1e-6);  // Phi^-1(24 / 26)
  EXPECT_NEAR(AlieScale(25, 5), 0.253347, 1e-6);   // Phi^-1(12 / 20)
}

TEST(Lies, AlieScale_IsFiniteAndNotNegativeAtTheEdges) {
  EXPECT_EQ(AlieScale(6, 1), 0.0);  // 3 of 5 honest ones would be needed
  EXPECT_EQ(AlieScale(2, 1), 0.0);
  EXPECT_NEAR(AlieScale(100, 90), 1.281552, 1e-6);  // as if one of the ten were needed
}

TEST(Lies, Ipm_IsAgainstTheMeanOfTheHonest) {
  const HonestUpdates honest = TwoHonestUpdates();
  EXPECT_THAT(Tell("ipm", {.honest = &honest}, {0.0f, 0.0f, 0.0f}),
              ElementsAre(-1.0f, -1.0f, 1.25f));
  EXPECT_THAT(Tell("ipm", {.scale = 2.0, .honest = &honest}, {0.0f, 0.0f, 0.0f}),
              ElementsAre(-4.0f, -4.0f, 5.0f));
}

TEST(Lies, FreeRider_SendsNothing_OrNoise) {
  EXPECT_THAT(Tell("free_rider", {}, {1.0f, 2.0f}), Each(0.0f));
  const auto noise = Tell("free_rider", {.scale = 1e-3}, {1.0f, 2.0f});
  EXPECT_NE(noise[0], 0.0f);
  EXPECT_LT(std::abs(noise[0]), 0.01f);
}

}  // namespace
}  // namespace tern::simulation
