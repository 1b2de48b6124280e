// How much an update counts in a round's mean.
#ifndef TERN_SERVER_UPDATE_WEIGHT_H_
#define TERN_SERVER_UPDATE_WEIGHT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/wire/messages.h"

namespace tern::server {

enum class WeightKind {
  kExamples,  // as many as the client's examples (McMahan et al. 2017)
  kUniform,
  kCustom,  // as the client says: metric kWeightMetric of its report
};

// "examples", "uniform", "custom". INVALID_ARGUMENT lists those that exist.
absl::StatusOr<WeightKind> ParseWeightKind(absl::string_view name);

struct WeightOptions {
  WeightKind kind = WeightKind::kExamples;
  double max_weight = 0.0;  // what counts for more counts for this; 0: any, not with kCustom
};

// INVALID_ARGUMENT names the field, its value and what was expected.
absl::Status ValidateWeightOptions(const WeightOptions& options);

// The weight as an integer, from 1 to MaxWeight: in examples, or in multiples of 2^-20, to which
// custom weights are rounded. INVALID_ARGUMENT: the report has no custom weight that is above 0 and
// finite. `report.num_examples` is from 1 to max_num_examples.
absl::StatusOr<int64_t> WeightOf(const WeightOptions& options, const UpdateReport& report);
int64_t MaxWeight(const WeightOptions& options, int64_t max_num_examples);

}  // namespace tern::server

#endif  // TERN_SERVER_UPDATE_WEIGHT_H_
