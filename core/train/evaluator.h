// Evaluation of a model on a labelled dataset.
#ifndef TERN_CORE_TRAIN_EVALUATOR_H_
#define TERN_CORE_TRAIN_EVALUATOR_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/model/model_spec.h"

namespace tern {

// Classification metrics in [0, 1] but the loss. Macro averages are over the classes that occur in
// the data; a class that is never predicted has precision 0.
struct Evaluation {
  int64_t num_examples = 0;
  double loss = 0.0;  // mean cross-entropy
  double accuracy = 0.0;
  double precision_macro = 0.0;
  double recall_macro = 0.0;
  double f1_macro = 0.0;
};

// The same numbers for any number of threads: batches are fixed, sums are over batches in order.
// INVALID_ARGUMENT: dataset and model do not fit each other.
absl::StatusOr<Evaluation> Evaluate(const ModelSpec& spec, absl::Span<const float> parameters,
                                    const Dataset& dataset, ThreadPool& pool);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_EVALUATOR_H_
