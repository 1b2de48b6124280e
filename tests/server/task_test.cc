#include "server/task.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Task GoodTask() { return {.model = *ZooModel("lenet5")}; }

TEST(ValidateTask, AcceptsTheDefaults) { EXPECT_TRUE(ValidateTask(GoodTask()).ok()); }

struct BadField {
  const char* message;  // what the error must say
  std::function<void(Task&)> spoil;
};

class ValidateTaskTest : public ::testing::TestWithParam<BadField> {};

TEST_P(ValidateTaskTest, NamesTheFieldThatIsWrong) {
  Task task = GoodTask();
  GetParam().spoil(task);
  const absl::Status status = ValidateTask(task);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<BadField> BadFields() {
  return {
      BadField{"task.name", [](Task& t) { t.name.clear(); }},
      BadField{"task.num_rounds is 0", [](Task& t) { t.num_rounds = 0; }},
      BadField{"task.round.cohort_size", [](Task& t) { t.round.cohort_size = 0; }},
      BadField{"task.round.over_selection", [](Task& t) { t.round.over_selection = 0.9; }},
      BadField{"task.round.over_selection", [](Task& t) { t.round.over_selection = kNan; }},
      BadField{"task.round.min_updates is 11", [](Task& t) { t.round.min_updates = 11; }},
      BadField{"task.round.min_available",
               [](Task& t) {
                 t.round.min_updates = 5;
                 t.round.min_available = 3;
               }},
      BadField{"task.round.deadline_s", [](Task& t) { t.round.deadline = absl::ZeroDuration(); }},
      BadField{"task.model: layer 'fc3'", [](Task& t) { t.model.layers.back().units = 0; }},
      BadField{"task.model",
               [](Task& t) {
                 t.initial_parameters = {1, 2, 3};
               }},
      BadField{"not finite",
               [](Task& t) { t.initial_parameters = std::vector<float>(44426, kNan); }},
      BadField{"task.train", [](Task& t) { t.train.learning_rate = kNan; }},
      BadField{"task.train", [](Task& t) { t.train.batch_size = 0; }},
      BadField{"task.train: micro_batch_size", [](Task& t) { t.train.micro_batch_size = 11; }},
      BadField{"task.train: memory", [](Task& t) { t.train.memory = static_cast<MemoryMode>(0); }},
      BadField{"task.train.loss: label_smoothing",
               [](Task& t) { t.train.loss.label_smoothing = kNan; }},
      BadField{"task.train.update: channels", [](Task& t) { t.train.scope.channels = kNan; }},
      BadField{"task.train.update: frozen_layers has 'fc9'",
               [](Task& t) { t.train.scope.frozen_layers = {"fc9"}; }},
      BadField{"task.train.update: model 'lenet5' has no layer left to train",
               [](Task& t) { t.train.scope = {.frozen_layers = {"fc3"}, .last_layers = 1}; }},
      BadField{"task.codec.up", [](Task& t) { t.codec_up = "gzip"; }},
      BadField{"task.strategy", [](Task& t) { t.aggregator.name = "average"; }},
      BadField{"task.strategy", [](Task& t) { t.optimizer.name = "adam"; }},
      BadField{"task.strategy.max_update_abs", [](Task& t) { t.max_update_abs = kNan; }},
      BadField{"task.strategy.max_num_examples", [](Task& t) { t.max_num_examples = 0; }},
      BadField{"task.strategy", [](Task& t) {
                 t.max_num_examples = int64_t{1} << 40;
                 t.round.cohort_size = 1000000;
               }}};
}

std::vector<BadField> BadStrategyFields() {
  return {
      BadField{"task.strategy: krum needs n >= 2f + 3: n = 10, f = 4",
               [](Task& t) { t.aggregator = {.name = "krum", .attackers = 4}; }},
      BadField{"task.strategy: aggregator krum compares whole updates, expected adapt.widths [1]",
               [](Task& t) {
                 t.aggregator.name = "krum";
                 t.adapt.widths = {1.0, 0.5};
               }},
      BadField{"task.strategy: aggregator median reads updates back by blocks, codec "
               "'quantize(8)|zstd(3)' can only be decoded whole",
               [](Task& t) {
                 t.aggregator.name = "median";
                 t.adapt.codecs = {"quantize(8)|zstd(3)"};
               }},
      BadField{"task.strategy: optimizer fedexp goes with aggregator mean",
               [](Task& t) {
                 t.aggregator.name = "median";
                 t.optimizer.name = "fedexp";
               }},
      BadField{"task.strategy: max_weight is 0, expected above 0",
               [](Task& t) { t.weights.kind = WeightKind::kCustom; }},
      BadField{"task.strategy: schedule", [](Task& t) { t.server_schedule.kind = "linear"; }},
      BadField{"task.train.schedule: every is 0", [](Task& t) { t.client_schedule.every = 0; }},
      BadField{"task.strategy: aggregator qfedavg takes a constant train.schedule",
               [](Task& t) {
                 t.aggregator.name = "qfedavg";
                 t.client_schedule.kind = "cosine";
               }},
      BadField{"task.strategy: optimizer feddyn takes a constant schedule",
               [](Task& t) {
                 t.train.method = ClientMethod::kFedDyn;
                 t.train.proximal_mu = 0.1f;
                 t.optimizer.name = "feddyn";
                 t.server_schedule.warmup_rounds = 1;
               }},
      BadField{"task.strategy: aggregator krum does not go with train.method scaffold",
               [](Task& t) {
                 t.aggregator.name = "krum";
                 t.train.method = ClientMethod::kScaffold;
               }},
      BadField{"task.strategy: aggregator trimmed_mean does not go with attackers 0 and trim 0",
               [](Task& t) { t.aggregator.name = "trimmed_mean"; }},
      BadField{"task.strategy: aggregator geometric_median does not go with weights that clients "
               "choose: give max_weight, or weights: uniform",
               [](Task& t) { t.aggregator = {.name = "geometric_median", .attackers = 1}; }},
      BadField{"task.strategy: aggregator fltrust does not go with train.personal",
               [](Task& t) {
                 t.aggregator.name = "fltrust";
                 t.train.personal.biases = true;
               }},
      BadField{"task.strategy: aggregator fednova does not know how far nesterov steps go",
               [](Task& t) {
                 t.aggregator.name = "fednova";
                 t.train.momentum = 0.9f;
                 t.train.nesterov = true;
               }},
      BadField{"max_total_weight 9223372036854775807",
               [](Task& t) {
                 t.weights = {.kind = WeightKind::kCustom, .max_weight = 1e9};
                 t.round.cohort_size = 1000000;
               }},
      BadField{"task.train.schedule is down to a learning_rate of 0, expected one above 0",
               [](Task& t) {
                 t.client_schedule = {.kind = "exponential", .decay = 1e-30f};
                 t.num_rounds = 10;
               }},
      BadField{"task.train.personal: personal.layers has 'fc9'",
               [](Task& t) { t.train.personal.layers = {"fc9"}; }},
      BadField{"task.strategy: train.method and train.personal keep vectors on the devices",
               [](Task& t) {
                 t.train.method = ClientMethod::kScaffold;
                 t.adapt.widths = {1.0, 0.5};
               }},
      BadField{"task.strategy: aggregator qfedavg weighs by the loss of the round's model, where "
               "codec 'topk(0.1)' has clients start from their residuals",
               [](Task& t) {
                 t.aggregator.name = "qfedavg";
                 t.codec_up = "topk(0.1)";
               }},
      BadField{"task.strategy: attackers is 2, expected 0: aggregator mean withstands none",
               [](Task& t) { t.aggregator.attackers = 2; }},
      BadField{"task.strategy: keep is 3, expected 0: aggregator krum",
               [](Task& t) { t.aggregator = {.name = "krum", .keep = 3}; }},
      BadField{"task.strategy: population_size is -1", [](Task& t) { t.population_size = -1; }},
      BadField{"task.strategy: root_examples is 0", [](Task& t) {
                 t.aggregator.name = "fltrust";
                 t.root_examples = 0;
               }}};
}

std::vector<BadField> BadAdaptFields() {
  const auto widths = [](std::vector<double> values) {
    return [values](Task& t) { t.adapt.widths = values; };
  };
  return {
      BadField{"task.adapt.widths is [], expected 1 to 16 numbers", widths({})},
      BadField{"task.adapt.widths is [1, 0]", widths({1.0, 0.0})},
      BadField{"task.adapt.widths is [1.5]", widths({1.5})},
      BadField{"task.adapt.widths is [0.5, 0.5]", widths({0.5, 0.5})},
      BadField{"task.adapt.widths is [0.5, 1]", widths({0.5, 1.0})},
      BadField{"task.adapt.widths is [nan]", widths({std::nan("")})},
      BadField{"task.adapt.widths is [1, 0.9",
               [](Task& t) {
                 for (int i = 1; i <= 16; ++i) t.adapt.widths.push_back(1 - i / 20.0);
               }},
      BadField{"task.adapt.min_batch_size is -1, expected 0 to 10",
               [](Task& t) { t.adapt.min_batch_size = -1; }},
      BadField{"task.adapt.min_batch_size is 11", [](Task& t) { t.adapt.min_batch_size = 11; }},
      BadField{"task.adapt.min_local_steps is -1", [](Task& t) { t.adapt.min_local_steps = -1; }},
      BadField{"task.adapt.codecs: codec 'gzip'", [](Task& t) { t.adapt.codecs = {"gzip"}; }},
      BadField{"task.adapt.codecs is a list of 17, expected at most 16",
               [](Task& t) { t.adapt.codecs.assign(17, "none"); }},
      BadField{"task.adapt is 16 widths x 17 codecs x 4 kinds of batches, expected at most 1024",
               [](Task& t) {
                 for (int i = 1; i < 16; ++i) t.adapt.widths.push_back(1 - i / 20.0);
                 t.adapt.codecs.assign(16, "none");
                 t.adapt.min_batch_size = 1;
               }},
      BadField{"task.adapt.memory is [1, 1], expected 1 (fast) and 2 (small), each at most once",
               [](Task& t) { t.adapt.memory.assign(2, MemoryMode::kFast); }},
      BadField{"task.adapt.memory is [1, 2, 1]",
               [](Task& t) {
                 t.adapt.memory = {MemoryMode::kFast, MemoryMode::kSmall, MemoryMode::kFast};
               }},
      BadField{"task.adapt.memory is [0]",
               [](Task& t) { t.adapt.memory = {static_cast<MemoryMode>(0)}; }},
      BadField{"task.adapt.micro_batch_sizes is 0, expected 1 to 9",
               [](Task& t) {
                 t.adapt.micro_batch_sizes = {4, 0};
               }},
      BadField{"task.adapt.micro_batch_sizes is a list with 4 twice, expected each size once",
               [](Task& t) {
                 t.adapt.micro_batch_sizes = {4, 2, 4};
               }},
      BadField{"task.adapt.micro_batch_sizes is a list of 17, expected at most 16",
               [](Task& t) { t.adapt.micro_batch_sizes.assign(17, 1); }},
      // A layer has the name that the narrow model's scale layer would have.
      BadField{"task.adapt.widths: ", [](Task& t) {
                 t.adapt.widths = {0.5};
                 t.model.layers[1].name = "conv1.scale";
               }}};
}

INSTANTIATE_TEST_SUITE_P(AdaptFields, ValidateTaskTest, ::testing::ValuesIn(BadAdaptFields()));
INSTANTIATE_TEST_SUITE_P(StrategyFields, ValidateTaskTest,
                         ::testing::ValuesIn(BadStrategyFields()));

TEST(Task, BatchSizes_AreHalvesDownToTheLeast) {
  Task task = GoodTask();
  task.train.batch_size = 10;
  EXPECT_THAT(task.BatchSizes(), ElementsAre(10));
  task.adapt.min_batch_size = 1;
  EXPECT_THAT(task.BatchSizes(), ElementsAre(10, 5, 2, 1));
  task.adapt.min_batch_size = 3;
  EXPECT_THAT(task.BatchSizes(), ElementsAre(10, 5));
  task.adapt.min_batch_size = 10;
  EXPECT_THAT(task.BatchSizes(), ElementsAre(10));
}

TEST(Task, Trainings_GoByBatchThenMicroBatchThenMemory) {
  Task task = GoodTask();
  task.train.batch_size = 8;
  EXPECT_THAT(task.Trainings(), ElementsAre(task.train));
  task.train.momentum = 0.5f;
  task.adapt = {.min_batch_size = 4,
                .memory = {MemoryMode::kFast, MemoryMode::kSmall},
                .micro_batch_sizes = {4, 2}};
  std::vector<std::string> order;
  for (const TrainOptions& train : task.Trainings()) {
    EXPECT_EQ(train.momentum, 0.5f);
    order.push_back(absl::StrCat(train.batch_size, "/", train.micro_batch_size,
                                 train.memory == MemoryMode::kSmall ? " small" : ""));
  }
  EXPECT_THAT(order, ElementsAre("8/0", "8/0 small", "8/4", "8/4 small", "8/2", "8/2 small", "4/0",
                                 "4/0 small", "4/2", "4/2 small"));
}

TEST(Task, TrainingsOfATask_KeepItsMemoryModeAndItsMicroBatch) {
  Task task = GoodTask();
  task.train.batch_size = 8;
  task.train.micro_batch_size = 6;
  task.train.memory = MemoryMode::kSmall;
  task.adapt.min_batch_size = 4;
  const std::vector<TrainOptions> trainings = task.Trainings();
  ASSERT_EQ(trainings.size(), 2u);
  EXPECT_EQ(trainings[0], task.train);
  EXPECT_EQ(trainings[1].batch_size, 4);
  EXPECT_EQ(trainings[1].micro_batch_size, 4);
  EXPECT_EQ(trainings[1].memory, MemoryMode::kSmall);
}

TEST(Task, Codecs_BeginWithTheFirstChoice) {
  Task task = GoodTask();
  task.codec_up = "quantize(8)";
  task.adapt.codecs = {"topk(0.1)", "none"};
  EXPECT_THAT(task.Codecs(), ElementsAre("quantize(8)", "topk(0.1)", "none"));
}

// Codecs such as `sign` would change what is frozen.
TEST(Task, Codecs_OfAPartOfTheModel_SendThatPartAlone) {
  Task task = GoodTask();
  task.codec_up = "sign";
  task.adapt.codecs = {"mask|none"};
  task.train.scope.last_layers = 1;
  EXPECT_THAT(task.Codecs(), ElementsAre("mask|sign", "mask|none"));
}

INSTANTIATE_TEST_SUITE_P(Fields, ValidateTaskTest, ::testing::ValuesIn(BadFields()));

}  // namespace
}  // namespace tern::server
