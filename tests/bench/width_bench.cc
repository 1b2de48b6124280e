// What a training step costs at each width of a model, beside what its operations say:
//
//   width_bench MODEL [REPETITIONS]
//
// MODEL is one of the zoo. Prints a header and one line for each width 1, 1/2, ... 1/16 of the
// HeteroFL submodel, tab-separated: width, training FLOPs for one example, microseconds per step of
// ten examples, share of the FLOPs of width 1, share of its time, and the second share over the
// first: 1 where time falls as the work does.
//
// One thread. Times are medians of REPETITIONS (301 unless given) samples of the thread's
// processor time, which other load on the machine disturbs least; the widths take turns, so that
// what disturbs one disturbs all.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/kernel_target.h"
#include "core/engine/program.h"
#include "core/model/cost.h"
#include "core/model/parameter_layout.h"
#include "core/model/submodel.h"
#include "core/model/zoo.h"

namespace tern {
namespace {

constexpr double kWidths[] = {1.0, 0.5, 0.25, 0.125, 0.0625};
constexpr int64_t kBatchSize = 10;
// Small: parameters stay of the size that they have in training.
constexpr float kLearningRate = 1e-4f;
// Steps of a sample take about this long, far above the clock's own cost.
constexpr double kSampleSeconds = 1e-3;

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class WidthRun {
 public:
  static absl::StatusOr<WidthRun> Create(const ModelSpec& full, double width) {
    TERN_ASSIGN_OR_RETURN(const Submodel submodel, MakeSubmodel(full, {.width = width}));
    TERN_ASSIGN_OR_RETURN(const Cost cost, CountCost(submodel.model));
    TERN_ASSIGN_OR_RETURN(Program program, Program::Compile(submodel.model, kBatchSize));
    TERN_ASSIGN_OR_RETURN(AlignedFloats arena, AlignedFloats::Allocate(program.arena_floats()));
    return WidthRun(submodel.model, width, cost.training_flops, std::move(program),
                    std::move(arena));
  }

  // Chooses how many steps make a sample; the first ones also warm up.
  void Calibrate() {
    while (TimeSteps(steps_per_sample_) < kSampleSeconds) steps_per_sample_ *= 2;
  }

  void Sample() {
    seconds_.push_back(TimeSteps(steps_per_sample_) / static_cast<double>(steps_per_sample_));
  }

  double MedianSeconds() {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::nth_element(seconds_.begin(), middle, seconds_.end());
    return *middle;
  }

  double width() const { return width_; }
  int64_t training_flops() const { return training_flops_; }

 private:
  WidthRun(const ModelSpec& model, double width, int64_t training_flops, Program program,
           AlignedFloats arena)
      : width_(width),
        training_flops_(training_flops),
        program_(std::move(program)),
        arena_(std::move(arena)),
        parameters_(InitialParameters(program_.layout(), 1)),
        inputs_(static_cast<size_t>(kBatchSize * NumElements(model.input))) {
    RandomStream random({.seed = 1});
    for (float& value : inputs_) value = random.NextFloat();
    for (int64_t i = 0; i < kBatchSize; ++i) {
      labels_.push_back(
          static_cast<int32_t>(random.Below(static_cast<uint32_t>(program_.num_classes()))));
    }
  }

  double TimeSteps(int64_t steps) {
    const double start = ThreadSeconds();
    for (int64_t i = 0; i < steps; ++i) {
      program_.Step(absl::MakeSpan(parameters_), {inputs_, labels_}, arena_.span(),
                    {.learning_rate = kLearningRate});
    }
    return ThreadSeconds() - start;
  }

  double width_;
  int64_t training_flops_;
  Program program_;
  AlignedFloats arena_;
  std::vector<float> parameters_;
  std::vector<float> inputs_;
  std::vector<int32_t> labels_;
  int64_t steps_per_sample_ = 1;
  std::vector<double> seconds_;
};

absl::Status Run(const std::string& model, int64_t repetitions) {
  TERN_RETURN_IF_ERROR(ApplyKernelTargetFromEnvironment());
  TERN_ASSIGN_OR_RETURN(const ModelSpec full, ZooModel(model));
  std::vector<WidthRun> runs;
  for (const double width : kWidths) {
    TERN_ASSIGN_OR_RETURN(WidthRun run, WidthRun::Create(full, width));
    runs.push_back(std::move(run));
  }
  for (WidthRun& run : runs) run.Calibrate();
  for (int64_t i = 0; i < repetitions; ++i) {
    for (WidthRun& run : runs) run.Sample();
  }
  const auto full_flops = static_cast<double>(runs.front().training_flops());
  const double full_seconds = runs.front().MedianSeconds();
  std::printf("width\ttraining_flops\tstep_us\tflop_ratio\ttime_ratio\ttime_over_flop_ratio\n");
  for (WidthRun& run : runs) {
    const double flop_ratio = static_cast<double>(run.training_flops()) / full_flops;
    const double time_ratio = run.MedianSeconds() / full_seconds;
    std::printf("%g\t%lld\t%.2f\t%.4f\t%.4f\t%.3f\n", run.width(),
                static_cast<long long>(run.training_flops()), 1e6 * run.MedianSeconds(), flop_ratio,
                time_ratio, time_ratio / flop_ratio);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  int64_t repetitions = 301;
  if (argc < 2 || argc > 3 ||
      (argc == 3 && (!absl::SimpleAtoi(argv[2], &repetitions) || repetitions < 1))) {
    std::fprintf(stderr, "usage: width_bench MODEL [REPETITIONS], REPETITIONS at least 1\n");
    return 2;
  }
  const absl::Status status = tern::Run(argv[1], repetitions);
  if (status.ok()) return 0;
  std::fprintf(stderr, "width_bench: %s\n", status.ToString().c_str());
  return 1;
}
