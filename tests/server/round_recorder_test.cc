#include "server/round_recorder.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::nlohmann::json;
using ::tern::testing::IsOk;
using ::tern::testing::SmallestModel;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;

// Four examples of the class that is the index of their larger input.
class LargerInputDataset final : public Dataset {
 public:
  int64_t size() const override { return 4; }
  const Shape& example_shape() const override { return shape_; }
  int64_t num_classes() const override { return 2; }
  int32_t label(int64_t) const override { return 0; }
  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override {
    for (size_t i = 0; i < indices.size(); ++i) {
      const int32_t label = indices[i] % 2;
      labels[i] = label;
      inputs[2 * i] = static_cast<float>(1 - label);
      inputs[2 * i + 1] = static_cast<float>(label);
    }
  }

 private:
  const Shape shape_ = {2};
};

class RoundRecorderTest : public ::testing::Test {
 protected:
  RoundRecorderTest() {
    auto report = RunReport::Create(directory_, "");
    EXPECT_THAT(report, IsOk());
    report_ = *std::move(report);
  }
  ~RoundRecorderTest() override { std::filesystem::remove_all(directory_); }

  RoundRecorder::Options Options(int64_t num_rounds, int64_t evaluate_every) {
    return {.model = SmallestModel(),
            .num_rounds = num_rounds,
            .evaluate_every = evaluate_every,
            .test = &dataset_,
            .num_threads = 2,
            .clock = &clock_,
            .print_line = [this](const std::string& line) { lines_.push_back(line); }};
  }

  // Weights {row of class 0, row of class 1}, then biases.
  static RoundRecord Record(uint64_t round, std::vector<float> parameters) {
    auto model = std::make_shared<Model>();
    model->parameters = std::move(parameters);
    return {.round = round,
            .changed_model = true,
            .clients_completed = 1,
            .duration = absl::Seconds(2),
            .model = std::move(model)};
  }

  std::vector<json> Metrics() {
    std::vector<json> lines;
    const std::string text = *ReadTextFile(directory_ + "/metrics.jsonl", 1 << 20);
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      lines.push_back(json::parse(line.begin(), line.end()));
    }
    return lines;
  }

  const std::string directory_ =
      absl::StrCat(::testing::TempDir(), "round_recorder_test_", ::getpid());
  const LargerInputDataset dataset_;
  SimulatedClock clock_;
  std::unique_ptr<RunReport> report_;
  std::vector<std::string> lines_;  // the recorder's until it is stopped
};

TEST_F(RoundRecorderTest, Stop_RecordsEveryRoundInOrder) {
  RoundRecorder recorder(Options(5, 2));
  recorder.OnRoundClosed(Record(1, {1, 0, 0, 1, 0, 0}));
  recorder.Start(report_.get());
  clock_.Advance(absl::Seconds(3));
  for (uint64_t round = 2; round <= 5; ++round) {
    recorder.OnRoundClosed(Record(round, {1, 0, 0, 1, 0, 0}));
  }
  ASSERT_THAT(recorder.Stop(), IsOk());
  const std::vector<json> metrics = Metrics();
  ASSERT_EQ(metrics.size(), 5u);
  ASSERT_EQ(lines_.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(metrics[i].at("round"), i + 1);
    EXPECT_THAT(lines_[i], HasSubstr(absl::StrCat("[round ", i + 1, "/5]")));
    EXPECT_THAT(lines_[i], HasSubstr("2.00 s"));
  }
  EXPECT_EQ(metrics[0].at("wall_time_s"), 0.0);
  EXPECT_EQ(metrics[4].at("wall_time_s"), 3.0);
  EXPECT_EQ(recorder.total_round_time(), absl::Seconds(10));
}

TEST_F(RoundRecorderTest, EvaluatesEverySecondRoundAndTheLast) {
  RoundRecorder recorder(Options(5, 2));
  recorder.Start(report_.get());
  for (uint64_t round = 1; round <= 5; ++round) {
    recorder.OnRoundClosed(Record(round, {1, 0, 0, 1, 0, 0}));
  }
  ASSERT_THAT(recorder.Stop(), IsOk());
  const std::vector<json> metrics = Metrics();
  ASSERT_EQ(metrics.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const bool evaluated = i == 1 || i == 3 || i == 4;
    EXPECT_EQ(metrics[i].at("eval_accuracy"), evaluated ? json(1.0) : json(nullptr)) << i;
  }
}

TEST_F(RoundRecorderTest, EvaluatesTheModelOfTheRound) {
  RoundRecorder recorder(Options(2, 1));
  recorder.Start(report_.get());
  recorder.OnRoundClosed(Record(1, {0, 1, 1, 0, 0, 0}));  // always the wrong class
  recorder.OnRoundClosed(Record(2, {0, 0, 0, 0, 0, 1}));  // always class 1
  ASSERT_THAT(recorder.Stop(), IsOk());
  const std::vector<json> metrics = Metrics();
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].at("eval_accuracy"), 0.0);
  EXPECT_EQ(metrics[1].at("eval_accuracy"), 0.5);
  EXPECT_THAT(lines_[1], HasSubstr("accuracy 0.500"));
}

TEST_F(RoundRecorderTest, EvaluatesWithTheLossOfTheTask) {
  RoundRecorder::Options options = Options(1, 1);
  options.loss = {.kind = LossKind::kMeanSquaredError};
  RoundRecorder recorder(options);
  recorder.Start(report_.get());
  recorder.OnRoundClosed(Record(1, {0, 0, 0, 0, 0, 3}));  // logits 0 and 3
  ASSERT_THAT(recorder.Stop(), IsOk());
  // (0 - 1)^2 + 3^2 and 0 + (3 - 1)^2, in equal parts, of two classes.
  EXPECT_DOUBLE_EQ(Metrics().at(0).at("eval_loss").get<double>(), (10.0 + 4.0) / 2.0 / 2.0);
}

TEST_F(RoundRecorderTest, NeverEvaluating_NeedsNoData) {
  RoundRecorder::Options options = Options(1, 0);
  options.test = nullptr;
  RoundRecorder recorder(options);
  recorder.Start(report_.get());
  recorder.OnRoundClosed(Record(1, {0, 0, 0, 0, 0, 0}));
  ASSERT_THAT(recorder.Stop(), IsOk());
  EXPECT_TRUE(Metrics().at(0).at("eval_accuracy").is_null());
}

TEST_F(RoundRecorderTest, FirstError_IsKept) {
  RoundRecorder::Options options = Options(2, 1);
  options.model.input = {3};  // does not fit the data
  RoundRecorder recorder(options);
  EXPECT_THAT(recorder.status(), IsOk());
  recorder.Start(report_.get());
  recorder.OnRoundClosed(Record(1, std::vector<float>(8)));
  EXPECT_THAT(recorder.Stop(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(recorder.status(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(recorder.Stop(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
}

TEST_F(RoundRecorderTest, StopWithoutStart_IsFine) {
  RoundRecorder recorder(Options(1, 0));
  EXPECT_THAT(recorder.Stop(), IsOk());
}

}  // namespace
}  // namespace tern::server
