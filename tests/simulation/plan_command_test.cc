#include "simulation/plan_command.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/device_cost.h"
#include "server/run_report.h"
#include "tests/testing/status_matchers.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

server::LoadedConfig Lenet5Config() {
  server::LoadedConfig config;
  config.num_clients = 100;
  config.task = {.name = "study",
                 .model = *ZooModel("lenet5"),
                 .train = {.local_epochs = 2},
                 .round = {.deadline = absl::Seconds(120)}};
  return config;
}

std::string Describe(const server::LoadedConfig& config, int64_t num_examples = 600) {
  const absl::StatusOr<std::vector<ClassPlan>> plans = ChoosePlans(config, num_examples);
  if (!plans.ok()) {
    ADD_FAILURE() << plans.status();
    return "";
  }
  const absl::StatusOr<std::string> text = DescribePlans(config.task, *plans, num_examples);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

TEST(DescribePlans, WithoutAPopulation_IsOneDeviceWithoutLimits) {
  const server::LoadedConfig config = Lenet5Config();
  const Cost cost = *server::DeviceCost({.model = config.task.model}, 600);
  const std::string memory = server::FormatBytes(cost.peak_bytes());
  const std::vector<std::string> lines = absl::StrSplit(Describe(config), '\n');
  EXPECT_THAT(
      lines,
      ElementsAre(
          "Task 'study': lenet5, 44426 parameters, deadline 2 min 00 s, of which a plan may take "
          "1 min 30 s.",
          "A device has 600 examples (the mean), trains for 2 epochs, and its battery is full.", "",
          "class                      RAM  width  batch  codec  steps    memory  download  training"
          "    upload     total   energy",
          "network                devices                                   RAM     bytes      FLOP"
          "     bytes  deadline  battery",
          std::string(117, '-'),
          absl::StrCat("device without limits        -      1     10  none     120  ", memory,
                       "         -         -         -         -        -"),
          "                           100                                        177.7 kB    1.85 G"
          "  177.9 kB",
          ""));
}

TEST(DescribePlans, EachClass_HasItsPlanItsNetworkAndItsNumberOfDevices) {
  server::LoadedConfig config = Lenet5Config();
  config.population = {{.profile = "raspberry_pi_4", .fraction = 0.3},
                       {.profile = "phone_low", .fraction = 0.7, .network = "3g"}};
  const std::vector<std::string> lines = absl::StrSplit(Describe(config), '\n');
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_THAT(lines[6], StartsWith("raspberry_pi_4 "));
  EXPECT_THAT(lines[7], HasSubstr(" 30 "));
  EXPECT_THAT(lines[8], StartsWith("phone_low "));
  EXPECT_THAT(lines[9], StartsWith(" 3g "));
  EXPECT_THAT(lines[9], HasSubstr(" 70 "));
  // Of the RAM and of the deadline.
  for (const size_t line : {7, 9}) EXPECT_THAT(lines[line], HasSubstr(" % ")) << lines[line];
}

TEST(DescribePlans, FewerSteps_AreShownWithAllOfThem) {
  server::LoadedConfig config = Lenet5Config();
  config.population = {{.profile = "phone_low", .fraction = 1.0, .network = "wifi"}};
  config.task.adapt.min_local_steps = 1;
  config.task.round.deadline = absl::Seconds(4);
  EXPECT_THAT(Describe(config, 60000), HasSubstr(" of 12000  "));
}

TEST(DescribePlans, RefusedClass_SaysWhyWithTheNumbers) {
  server::LoadedConfig config = Lenet5Config();
  config.population = {{.profile = "cortex_m7", .fraction = 0.5},
                       {.profile = "raspberry_pi_4", .fraction = 0.5}};
  config.task.model = *ZooModel("mcmahan_cnn");
  const std::string plans = Describe(config);
  EXPECT_THAT(plans, HasSubstr("refused: the smallest plan (width 1, batch size 10, codec 'none') "
                               "needs "));
  for (const absl::string_view line : absl::StrSplit(plans, '\n')) {
    EXPECT_LE(line.size(), 120u) << line;
    EXPECT_THAT(std::string(line), Not(::testing::EndsWith(" ")));
  }
}

TEST(DescribePlans, WaysToTakeLessMemory_StandBesideTheBatch) {
  server::LoadedConfig config = Lenet5Config();
  config.task.adapt.memory = {MemoryMode::kSmall};
  EXPECT_THAT(Describe(config), HasSubstr("  10 small  none "));
  config.task.train.micro_batch_size = 4;
  EXPECT_THAT(Describe(config), HasSubstr("  10 in 4s small  none "));
  config.task.adapt.memory = {};
  config.task.train.micro_batch_size = 10;
  EXPECT_THAT(Describe(config), HasSubstr("     10  none "));
}

}  // namespace
}  // namespace tern::simulation
