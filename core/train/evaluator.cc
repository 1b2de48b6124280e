#include "core/train/evaluator.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/status_macros.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/program.h"
#include "core/engine/softmax_cross_entropy.h"
#include "core/train/fit.h"

namespace tern {
namespace {

constexpr int64_t kBatchSize = 100;

// What one thread works in.
struct Workspace {
  AlignedFloats arena;
  AlignedFloats inputs;
  std::vector<float> logits;
  std::vector<int32_t> indices;
  std::vector<int32_t> labels;
};

absl::StatusOr<Workspace> MakeWorkspace(const Program& program, int64_t example_floats) {
  Workspace workspace;
  TERN_ASSIGN_OR_RETURN(workspace.arena, AlignedFloats::Allocate(program.predict_arena_floats()));
  TERN_ASSIGN_OR_RETURN(workspace.inputs, AlignedFloats::Allocate(kBatchSize * example_floats));
  workspace.logits.resize(static_cast<size_t>(kBatchSize * program.num_classes()));
  workspace.indices.resize(kBatchSize);
  workspace.labels.resize(kBatchSize);
  return workspace;
}

// Predictions of every example, and the loss of every batch.
struct Predictions {
  std::vector<int32_t> predicted;
  std::vector<int32_t> labels;
  std::vector<double> batch_losses;  // summed over the batch's examples
};

void PredictBatch(const Program& program, absl::Span<const float> parameters,
                  const Dataset& dataset, int64_t batch, Workspace& workspace, Predictions& out) {
  const int64_t begin = batch * kBatchSize;
  const int64_t count = std::min(kBatchSize, dataset.size() - begin);
  const auto classes = static_cast<size_t>(program.num_classes());
  const auto indices = absl::MakeSpan(workspace.indices).first(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), static_cast<int32_t>(begin));
  const auto labels = absl::MakeSpan(workspace.labels).first(indices.size());
  const auto inputs = workspace.inputs.span().first(
      indices.size() * static_cast<size_t>(NumElements(dataset.example_shape())));
  const auto logits = absl::MakeSpan(workspace.logits).first(indices.size() * classes);
  dataset.Gather(indices, inputs, labels);
  program.Predict(parameters, inputs, count, workspace.arena.span(), logits);
  double loss = 0.0;
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto row = absl::MakeConstSpan(logits).subspan(i * classes, classes);
    loss += CrossEntropy(row, labels[i]);
    const auto at = static_cast<size_t>(begin) + i;
    out.labels[at] = labels[i];
    out.predicted[at] =
        static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  out.batch_losses[static_cast<size_t>(batch)] = loss;
}

Evaluation Summarize(const Predictions& predictions, int64_t num_classes) {
  const auto classes = static_cast<size_t>(num_classes);
  std::vector<int64_t> correct(classes), predicted(classes), actual(classes);
  for (size_t i = 0; i < predictions.labels.size(); ++i) {
    const auto label = static_cast<size_t>(predictions.labels[i]);
    const auto guess = static_cast<size_t>(predictions.predicted[i]);
    ++actual[label];
    ++predicted[guess];
    if (label == guess) ++correct[label];
  }
  const auto ratio = [](int64_t part, int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  Evaluation result;
  result.num_examples = static_cast<int64_t>(predictions.labels.size());
  int64_t present = 0;
  for (size_t c = 0; c < classes; ++c) {
    if (actual[c] == 0) continue;
    ++present;
    result.precision_macro += ratio(correct[c], predicted[c]);
    result.recall_macro += ratio(correct[c], actual[c]);
    result.f1_macro += ratio(2 * correct[c], predicted[c] + actual[c]);
  }
  const auto averaged = static_cast<double>(present);
  result.precision_macro /= averaged;
  result.recall_macro /= averaged;
  result.f1_macro /= averaged;
  result.accuracy =
      ratio(std::accumulate(correct.begin(), correct.end(), int64_t{0}), result.num_examples);
  result.loss =
      std::accumulate(predictions.batch_losses.begin(), predictions.batch_losses.end(), 0.0) /
      static_cast<double>(result.num_examples);
  return result;
}

}  // namespace

absl::StatusOr<Evaluation> Evaluate(const ModelSpec& spec, absl::Span<const float> parameters,
                                    const Dataset& dataset, ThreadPool& pool) {
  TERN_ASSIGN_OR_RETURN(const Program program, Program::Compile(spec, kBatchSize));
  TERN_RETURN_IF_ERROR(CheckFit(spec, program, dataset, parameters));
  std::vector<Workspace> workspaces;
  for (int worker = 0; worker < pool.num_threads(); ++worker) {
    TERN_ASSIGN_OR_RETURN(Workspace workspace, MakeWorkspace(program, NumElements(spec.input)));
    workspaces.push_back(std::move(workspace));
  }
  const int64_t num_batches = (dataset.size() + kBatchSize - 1) / kBatchSize;
  Predictions predictions;
  predictions.predicted.resize(static_cast<size_t>(dataset.size()));
  predictions.labels.resize(static_cast<size_t>(dataset.size()));
  predictions.batch_losses.resize(static_cast<size_t>(num_batches));
  pool.ParallelFor(num_batches, [&](int worker, int64_t batch) {
    PredictBatch(program, parameters, dataset, batch, workspaces[static_cast<size_t>(worker)],
                 predictions);
  });
  return Summarize(predictions, program.num_classes());
}

}  // namespace tern
