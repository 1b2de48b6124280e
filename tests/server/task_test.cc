#include "server/task.h"

#include <functional>
#include <limits>
#include <vector>

#include "core/model/zoo.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::server {
namespace {

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
      BadField{"task.codec.up", [](Task& t) { t.codec_up = "gzip"; }},
      BadField{"task.strategy", [](Task& t) { t.aggregator = "median"; }},
      BadField{"task.strategy", [](Task& t) { t.optimizer.name = "adam"; }},
      BadField{"task.strategy.max_update_abs", [](Task& t) { t.max_update_abs = kNan; }},
      BadField{"task.strategy.max_num_examples", [](Task& t) { t.max_num_examples = 0; }},
      BadField{"task.strategy", [](Task& t) {
                 t.max_num_examples = int64_t{1} << 40;
                 t.round.cohort_size = 1000000;
               }}};
}

INSTANTIATE_TEST_SUITE_P(Fields, ValidateTaskTest, ::testing::ValuesIn(BadFields()));

}  // namespace
}  // namespace tern::server
