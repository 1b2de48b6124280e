// fltrust's yardstick (Cao et al. 2021): the update that the coordinator trains itself, on a few
// examples that it trusts.
#ifndef TERN_SERVER_ROOT_UPDATE_H_
#define TERN_SERVER_ROOT_UPDATE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "server/model.h"
#include "server/task.h"

namespace tern::server {

// Trained from a model in a round: as long as its parameters. Errors as Trainer::Train.
using RootUpdate =
    std::function<absl::StatusOr<std::vector<float>>(const Model& model, uint64_t round)>;

// Trains as a client named "coordinator" would, the whole model with plain SGD, on
// task.root_examples of `dataset`, the same in all rounds, drawn by the task's seed. `dataset` must
// outlive what is returned; one call of that at a time. INVALID_ARGUMENT: the dataset has fewer
// examples.
absl::StatusOr<RootUpdate> MakeRootUpdate(const Task& task, const Dataset* dataset);

}  // namespace tern::server

#endif  // TERN_SERVER_ROOT_UPDATE_H_
