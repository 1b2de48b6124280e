#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/train/plan_cost.h"
#include "gtest/gtest.h"
#include "server/planner.h"
#include "tests/server/planner_tools.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;

// The same decision, written down candidate by candidate and step by step.
struct Expected {
  double width = 0.0;
  std::string codec;
  TrainOptions train;
};

class ReferencePlanner {
 public:
  ReferencePlanner(const Task& task, const CheckInRequest& request)
      : task_(task), device_(request.capabilities), num_examples_(request.num_examples) {}

  std::optional<Expected> Choose() const {
    for (const bool whole_epochs : {true, false}) {
      for (const double width : task_.adapt.widths) {
        for (const std::string& codec : task_.Codecs()) {
          for (TrainOptions train : CutDown()) {
            const int64_t steps = StepsThatFit(width, codec, train);
            if (whole_epochs && steps == AllSteps(train.batch_size)) {
              return Expected{width, codec, train};
            }
            if (!whole_epochs && task_.adapt.min_local_steps > 0 &&
                steps >= task_.adapt.min_local_steps) {
              train.max_local_steps = steps;
              return Expected{width, codec, train};
            }
          }
        }
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<TrainOptions> CutDown() const {
    std::vector<TrainOptions> all;
    for (const int64_t batch_size : task_.BatchSizes()) {
      for (const int64_t micro_batch_size : {int64_t{0}, int64_t{2}}) {
        if (micro_batch_size == batch_size) continue;
        for (const MemoryMode memory : task_.adapt.memory) {
          all.push_back(task_.train);
          all.back().batch_size = batch_size;
          all.back().micro_batch_size = micro_batch_size;
          all.back().memory = memory;
        }
      }
    }
    return all;
  }

  int64_t AllSteps(int64_t batch_size) const {
    return task_.train.local_epochs * ((num_examples_ + batch_size - 1) / batch_size);
  }

  int64_t StepsThatFit(double width, const std::string& codec, const TrainOptions& train) const {
    Task one = task_;
    one.adapt = {.widths = {width}};
    one.codec_up = codec;
    one.train = train;
    const int64_t batch_size = train.batch_size;
    const PlanChoice plan =
        std::get<PlanChoice>(Planner::Create(one)->Choose({.num_examples = num_examples_}));
    if (device_.ram_bytes > 0 && plan.estimate.peak_bytes > device_.ram_bytes) return -1;
    const auto down = static_cast<double>(plan.estimate.bytes_down);
    const auto up = static_cast<double>(plan.estimate.bytes_up);
    double time_s = 2 * absl::ToDoubleSeconds(device_.round_trip) +
                    down / device_.downlink_bytes_per_second + up / device_.uplink_bytes_per_second;
    double energy_j = down * device_.joules_per_byte_down + up * device_.joules_per_byte_up;
    const auto flops = static_cast<double>(PlanCost(PlanOf(one, plan))->training_flops);
    int64_t steps = -1;
    int64_t left_of_epoch = num_examples_;
    while (time_s <= 75.0 && energy_j <= device_.battery_joules) {
      if (++steps == AllSteps(batch_size)) return steps;
      const int64_t batch = std::min(batch_size, left_of_epoch);
      left_of_epoch = left_of_epoch == batch ? num_examples_ : left_of_epoch - batch;
      time_s += static_cast<double>(batch) * flops / device_.flops_per_second;
      energy_j += static_cast<double>(batch) * flops * device_.joules_per_flop;
    }
    return steps;
  }

  const Task& task_;
  const Capabilities& device_;
  const int64_t num_examples_;
};

// Cut down in any way, it takes less memory.
ModelSpec OneConvolution() {
  return {.name = "one_convolution",
          .input = {1, 8, 8},
          .layers = {{.name = "conv", .kind = LayerKind::kConv2d, .units = 4, .kernel = 3},
                     {.name = "relu", .kind = LayerKind::kRelu},
                     {.name = "pool", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2},
                     {.name = "flatten", .kind = LayerKind::kFlatten},
                     {.name = "fc", .kind = LayerKind::kDense, .units = 4}}};
}

TEST(Planner, AnyDevice_GetsTheFirstPlanThatFits) {
  Task task = AdaptedTask();
  task.model = OneConvolution();
  task.adapt.min_local_steps = 3;
  task.adapt.memory = {MemoryMode::kFast, MemoryMode::kSmall};
  task.adapt.micro_batch_sizes = {2};
  const auto planner = Planner::Create(task);
  ASSERT_THAT(planner, IsOk());
  const double flops = FlopsOf(task);
  std::mt19937_64 random(7);
  const auto log_uniform = [&](double low, double high) {
    return low * std::exp(std::uniform_real_distribution<>(0, std::log(high / low))(random));
  };
  int refused = 0, whole = 0, shortened = 0, small = 0, cut = 0;
  for (int i = 0; i < 300; ++i) {
    const CheckInRequest request =
        DeviceWith({.ram_bytes = static_cast<int64_t>(log_uniform(500, 20000)),
                    .flops_per_second = log_uniform(flops / 20, flops * 20),
                    .downlink_bytes_per_second = log_uniform(20, 2000),
                    .uplink_bytes_per_second = log_uniform(10, 1000),
                    .battery_joules = log_uniform(1, 100),
                    .joules_per_flop = log_uniform(0.01, 0.5) / flops,
                    .joules_per_byte_down = 1e-3,
                    .joules_per_byte_up = 2e-3,
                    .round_trip = absl::Seconds(1)},
                   std::uniform_int_distribution<int64_t>(1, 60)(random));
    const std::optional<Expected> expected = ReferencePlanner(task, request).Choose();
    const auto answer = planner->Choose(request);
    ASSERT_EQ(std::holds_alternative<PlanChoice>(answer), expected.has_value()) << i;
    if (!expected.has_value()) {
      ++refused;
      continue;
    }
    const PlanChoice& choice = std::get<PlanChoice>(answer);
    EXPECT_EQ(choice.width, expected->width) << i;
    EXPECT_EQ(choice.codec, expected->codec) << i;
    EXPECT_EQ(choice.train, expected->train) << i;
    EXPECT_LE(choice.estimate.peak_bytes, request.capabilities.ram_bytes);
    EXPECT_LE(choice.estimate.total_time(), absl::Seconds(75) + absl::Microseconds(1));
    EXPECT_LE(choice.estimate.energy_j, request.capabilities.battery_joules * (1 + 1e-12));
    ++(expected->train.max_local_steps == 0 ? whole : shortened);
    small += int{expected->train.memory == MemoryMode::kSmall};
    cut += int{expected->train.micro_batch_size > 0};
  }
  // All outcomes were seen, not one only.
  EXPECT_GT(refused, 20);
  EXPECT_GT(whole, 20);
  EXPECT_GT(shortened, 20);
  EXPECT_GT(small, 10);
  EXPECT_GT(cut, 10);
}

}  // namespace
}  // namespace tern::server
