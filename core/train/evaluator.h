// Evaluation of a model on a labelled dataset.
#ifndef TERN_CORE_TRAIN_EVALUATOR_H_
#define TERN_CORE_TRAIN_EVALUATOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/engine/loss.h"
#include "core/model/model_spec.h"

namespace tern {

// How well one class is told from the others: in [0, 1]; 0 where it is never predicted or does not
// occur.
struct ClassMetrics {
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
  int64_t support = 0;  // examples of the class
};

// Classification metrics in [0, 1] but the loss. Macro averages are over the classes that occur in
// the data; a class that is never predicted has precision 0.
struct Evaluation {
  int64_t num_examples = 0;
  double loss = 0.0;  // the mean over the examples
  double accuracy = 0.0;
  double precision_macro = 0.0;
  double recall_macro = 0.0;
  double f1_macro = 0.0;
  std::vector<ClassMetrics> per_class;  // [num_classes]
  // Examples of the row's class that were predicted to be the column's: [num_classes, num_classes].
  std::vector<std::vector<int64_t>> confusion_matrix;
};

// The loss is that of `loss` without label smoothing, the prediction of an example its largest
// logit whatever the loss. The same numbers for any number of threads: batches are fixed, sums are
// over batches in order. INVALID_ARGUMENT: dataset and model do not fit each other, or the loss's
// options are out of range.
absl::StatusOr<Evaluation> Evaluate(const ModelSpec& spec, absl::Span<const float> parameters,
                                    const Dataset& dataset, ThreadPool& pool,
                                    const LossOptions& loss = {});

}  // namespace tern

#endif  // TERN_CORE_TRAIN_EVALUATOR_H_
