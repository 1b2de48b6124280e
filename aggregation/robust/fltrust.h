// FLTrust (Cao et al. 2021, FLTrust: Byzantine-robust federated learning via trust bootstrapping,
// section 4): the coordinator trains an update of its own on examples that it trusts.
#ifndef TERN_AGGREGATION_ROBUST_FLTRUST_H_
#define TERN_AGGREGATION_ROBUST_FLTRUST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "aggregation/robust/rule.h"

namespace tern::aggregation {

// With g the coordinator's update and trust_i = max(0, cos(x_i, g)), 0 for an update of zeros
//
//   sum(trust_i |g| / |x_i| x_i) / sum(trust_i)
//
// FAILED_PRECONDITION: g is not given, zero or not finite, or no update is trusted.
absl::StatusOr<std::vector<float>> FlTrust(const RuleInputs& inputs);

}  // namespace tern::aggregation

#endif  // TERN_AGGREGATION_ROBUST_FLTRUST_H_
