#include "core/train/evaluator.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/status_macros.h"
#include "core/engine/aligned_floats.h"
#include "core/engine/loss.h"
#include "core/engine/program.h"
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
                  const Dataset& dataset, LossKind loss_kind, int64_t batch, Workspace& workspace,
                  Predictions& out) {
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
    loss += ExampleLoss({.kind = loss_kind}, row, labels[i]);
    const auto at = static_cast<size_t>(begin) + i;
    out.labels[at] = labels[i];
    out.predicted[at] =
        static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  out.batch_losses[static_cast<size_t>(batch)] = loss;
}

double Ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<ClassMetrics> PerClass(const std::vector<std::vector<int64_t>>& confusion) {
  std::vector<ClassMetrics> result;
  for (size_t c = 0; c < confusion.size(); ++c) {
    const int64_t correct = confusion[c][c];
    const int64_t actual = std::accumulate(confusion[c].begin(), confusion[c].end(), int64_t{0});
    int64_t predicted = 0;
    for (const std::vector<int64_t>& row : confusion) predicted += row[c];
    result.push_back({.precision = Ratio(correct, predicted),
                      .recall = Ratio(correct, actual),
                      .f1 = Ratio(2 * correct, predicted + actual),
                      .support = actual});
  }
  return result;
}

void AverageOverClasses(Evaluation& result) {
  double present = 0.0;
  for (const ClassMetrics& metrics : result.per_class) {
    if (metrics.support == 0) continue;
    ++present;
    result.precision_macro += metrics.precision;
    result.recall_macro += metrics.recall;
    result.f1_macro += metrics.f1;
  }
  result.precision_macro /= present;
  result.recall_macro /= present;
  result.f1_macro /= present;
}

Evaluation Summarize(const Predictions& predictions, int64_t num_classes) {
  const auto classes = static_cast<size_t>(num_classes);
  Evaluation result;
  result.confusion_matrix.assign(classes, std::vector<int64_t>(classes));
  for (size_t i = 0; i < predictions.labels.size(); ++i) {
    ++result.confusion_matrix[static_cast<size_t>(predictions.labels[i])]
                             [static_cast<size_t>(predictions.predicted[i])];
  }
  result.num_examples = static_cast<int64_t>(predictions.labels.size());
  result.per_class = PerClass(result.confusion_matrix);
  AverageOverClasses(result);
  int64_t correct = 0;
  for (size_t c = 0; c < classes; ++c) correct += result.confusion_matrix[c][c];
  result.accuracy = Ratio(correct, result.num_examples);
  result.loss =
      std::accumulate(predictions.batch_losses.begin(), predictions.batch_losses.end(), 0.0) /
      static_cast<double>(result.num_examples);
  return result;
}

}  // namespace

absl::StatusOr<Evaluation> Evaluate(const ModelSpec& spec, absl::Span<const float> parameters,
                                    const Dataset& dataset, ThreadPool& pool,
                                    const LossOptions& loss) {
  TERN_RETURN_IF_ERROR(ValidateLossOptions(loss));
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
    PredictBatch(program, parameters, dataset, loss.kind, batch,
                 workspaces[static_cast<size_t>(worker)], predictions);
  });
  return Summarize(predictions, program.num_classes());
}

}  // namespace tern
