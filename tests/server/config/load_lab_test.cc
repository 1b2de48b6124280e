#include "server/config/load_lab.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

class LoadLabTest : public ::testing::Test {
 protected:
  // Of a configuration whose first two lines are its task.
  absl::StatusOr<LoadedConfig> Load(absl::string_view yaml) {
    const std::string text = absl::StrCat("task: {model: lenet5, strategy: {learning_rate: 0.5},\n",
                                          "       round: {cohort_size: 25}}\n", yaml);
    EXPECT_THAT(WriteFileAtomically(path_, text), IsOk());
    return LoadConfig(path_, {});
  }
  std::string Line(int line, absl::string_view what) {
    return absl::StrCat(path_, ":", line, ": ", what);
  }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("lab.yaml");
};

TEST_F(LoadLabTest, NothingSaid_IsNoLabAndNoAttack) {
  const auto config = Load("");
  ASSERT_THAT(config, IsOk());
  EXPECT_TRUE(config->lab.empty());
  EXPECT_EQ(config->simulation.attack.kind, "none");
}

TEST_F(LoadLabTest, Attack_ReachesItsPlace) {
  const auto config =
      Load("simulation: {attack: {kind: alie, fraction: 0.3, per_cohort: true, scale: 1.5}}\n");
  ASSERT_THAT(config, IsOk());
  const AttackOptions& attack = config->simulation.attack;
  EXPECT_EQ(attack.kind, "alie");
  EXPECT_EQ(attack.fraction, 0.3);
  EXPECT_TRUE(attack.per_cohort);
  EXPECT_EQ(attack.scale, 1.5);
}

TEST_F(LoadLabTest, Lab_HasNoneFirstAndNamesThatTellApart) {
  const auto config = Load(
      "seed: 7\n"
      "simulation:\n"
      "  lab:\n"
      "    attacks: [{kind: alie}, {kind: alie, scale: 1.5}, {kind: ipm, fraction: 0.1}]\n"
      "    defences:\n"
      "      - strategy: {aggregator: krum, attackers: 5}\n"
      "      - {}\n"
      "      - {name: mine, strategy: {aggregator: trimmed_mean, trim: 0.1}}\n"
      "      - strategy: {optimizer: fedavgm, clip_norm: 1.5, schedule: {kind: cosine}}\n");
  ASSERT_THAT(config, IsOk());
  const LabOptions& lab = config->lab;
  ASSERT_EQ(lab.attacks.size(), 4u);
  EXPECT_EQ(lab.attacks[0].name, "none");
  EXPECT_EQ(lab.attacks[0].options.kind, "none");
  EXPECT_EQ(lab.attacks[1].name, "alie");
  EXPECT_EQ(lab.attacks[2].name, "alie(scale=1.5)");
  EXPECT_EQ(lab.attacks[3].name, "ipm(fraction=0.1)");
  ASSERT_EQ(lab.defences.size(), 4u);
  EXPECT_EQ(lab.defences[0].name, "krum(f=5)");
  EXPECT_EQ(lab.defences[0].task.aggregator.name, "krum");
  EXPECT_EQ(lab.defences[0].task.aggregator.attackers, 5);
  EXPECT_EQ(lab.defences[0].task.optimizer.learning_rate, 1.0f);  // not that of the task
  EXPECT_EQ(lab.defences[0].task.round.cohort_size, 25);
  EXPECT_EQ(lab.defences[1].name, "mean");
  EXPECT_EQ(lab.defences[2].name, "mine");
  EXPECT_EQ(lab.defences[3].name, "mean(optimizer=fedavgm, schedule.kind=cosine, clip_norm=1.5)");
  EXPECT_THAT(lab.seeds, ElementsAre(7));
}

TEST_F(LoadLabTest, ResolvedConfiguration_IsTheSameLab) {
  const auto config = Load(
      "simulation: {lab: {attacks: [{kind: ipm, scale: 2}], seeds: [3, 1],\n"
      "             defences: [{strategy: {aggregator: median}}, {}]}}\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(WriteFileAtomically(path_, config->resolved_yaml), IsOk());
  const auto again = LoadConfig(path_, {});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config_hash, config->config_hash);
  EXPECT_EQ(again->lab.attacks[1].name, "ipm(scale=2)");
  EXPECT_EQ(again->lab.defences[0].name, "median");
  EXPECT_EQ(again->lab.defences[1].name, "mean");
  EXPECT_THAT(again->lab.seeds, ElementsAre(3, 1));
}

TEST_F(LoadLabTest, WhatIsWrong_IsSaidWithItsLineAndField) {
  const auto is_error = [this](absl::string_view yaml, int line, absl::string_view what) {
    EXPECT_THAT(Load(yaml), StatusIs(kInvalid, Line(line, what)));
  };
  is_error("simulation: {attack: {kind: lie}}\n", 3,
           "simulation.attack.kind is 'lie', expected one of none, label_flip");
  is_error("simulation: {attack: {kind: ipm, fraction: 2}}\n", 3,
           "simulation.attack.fraction is 2, expected 0 to 1");
  is_error(
      "simulation:\n  lab:\n    defences: [{}]\n    attacks:\n      - {kind: ipm}\n"
      "      - {kind: ipm, scale: -1}\n",
      8, "simulation.lab.attacks[1].scale is -1");
  is_error(
      "simulation:\n  lab:\n    defences: [{}]\n    attacks:\n      - {kind: ipm}\n"
      "      - {kind: ipm}\n",
      8, "simulation.lab.attacks[1] is ipm, as another");
}

TEST_F(LoadLabTest, PartsThatAreMissingOrClash_AreErrors) {
  const auto is_error = [this](absl::string_view lab, absl::string_view what) {
    EXPECT_THAT(Load(absl::StrCat("simulation: {lab: {", lab, "}}\n")), StatusIs(kInvalid, what));
  };
  is_error("attacks: [{kind: ipm}]", "simulation.lab.defences is empty");
  is_error("defences: [{}]", "simulation.lab.attacks is empty");
  is_error("seeds: [1]", "simulation.lab.attacks is empty");
  is_error("attacks: [{kind: ipm}], defences: [{}], seeds: [1, 2, 1]",
           "simulation.lab.seeds has a seed twice");
  is_error("attacks: [{kind: ipm}], defences: [{}, {}]",
           "simulation.lab.defences[1].name is mean, as another's");
  is_error("attacks: [{kind: ipm}], defences: [{strategy: {aggregator: krum, attackers: 12}}]",
           "simulation.lab.defences[0].strategy");
  is_error("attacks: [{kind: ipm}], defences: [{strategy: {max_update_abs: 0}}]",
           "simulation.lab.defences[0].strategy.max_update_abs is 0");
  EXPECT_THAT(Load("simulation: {attack: {kind: ipm},\n"
                   "             lab: {attacks: [{kind: alie}], defences: [{}]}}\n"),
              StatusIs(kInvalid, Line(3, "simulation.attack.kind is ipm, expected none")));
  EXPECT_THAT(LoadConfig(path_, {"simulation.attack.kind=none", "task.evaluate.every=0"}),
              StatusIs(kInvalid, "task.evaluate.every is 0, expected at least 1"));
}

}  // namespace
}  // namespace tern::server
