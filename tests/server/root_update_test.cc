#include "server/root_update.h"

#include "core/model/parameter_layout.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_dataset.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

class RootUpdateTest : public ::testing::Test {
 protected:
  RootUpdateTest() {
    task_.model = {.name = "small",
                   .input = {8},
                   .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = 4}}};
    task_.train.learning_rate = 0.1f;
    task_.root_examples = 50;
    model_.parameters = InitialParameters(MakeParameterLayout(task_.model).value(), 1);
  }

  std::vector<float> Train(uint64_t round) {
    const auto root_update = MakeRootUpdate(task_, &dataset_);
    EXPECT_THAT(root_update, IsOk());
    auto update = (*root_update)(model_, round);
    EXPECT_THAT(update, IsOk());
    return *std::move(update);
  }
  static double SquaredNorm(const std::vector<float>& update) {
    double squares = 0.0;
    for (const float value : update) squares += double{value} * value;
    return squares;
  }

  const testing::FakeDataset dataset_ = testing::FakeDataset::Random({8}, 4, 100);
  Task task_;
  Model model_;
};

TEST_F(RootUpdateTest, IsAFunctionOfSeedModelAndRound) {
  const std::vector<float> first = Train(1);
  EXPECT_EQ(first.size(), model_.parameters.size());
  EXPECT_GT(SquaredNorm(first), 0.0);
  EXPECT_EQ(Train(1), first);
  EXPECT_NE(Train(2), first);
  task_.seed = 2;
  EXPECT_NE(Train(1), first);
}

TEST_F(RootUpdateTest, FollowsTheScheduleOfTheClients) {
  task_.client_schedule = {.kind = "exponential", .decay = 0.5f};
  const double first = SquaredNorm(Train(1));
  EXPECT_LT(SquaredNorm(Train(4)), 0.1 * first);  // an eighth of the learning rate
}

TEST_F(RootUpdateTest, MethodsThatKeepStateOnDevices_AreLeftOut) {
  const std::vector<float> plain = Train(1);
  task_.train.method = ClientMethod::kScaffold;
  task_.train.personal.biases = true;
  EXPECT_EQ(Train(1), plain);
}

TEST_F(RootUpdateTest, MoreExamplesThanThereAre_IsAnErrorThatNamesBoth) {
  task_.root_examples = 101;
  EXPECT_THAT(MakeRootUpdate(task_, &dataset_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "task.strategy.root_examples is 101, expected at most the 100 examples"));
}

}  // namespace
}  // namespace tern::server
