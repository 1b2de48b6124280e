// How a dataset is divided among clients: pure functions of a seed, so that a deployed client and
// the simulator cut the same shards.
#ifndef TERN_CORE_DATA_PARTITION_H_
#define TERN_CORE_DATA_PARTITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/data/dataset.h"

namespace tern {

// Example indices of all clients in one array: client i holds indices [offsets[i], offsets[i + 1]).
struct Partition {
  std::vector<int32_t> indices;
  std::vector<int64_t> offsets;  // num_clients + 1, ascending from 0

  int64_t num_clients() const { return static_cast<int64_t>(offsets.size()) - 1; }
  absl::Span<const int32_t> client(int64_t i) const;
};

// How examples are dealt out. Kinds:
//   iid        one seeded shuffle, cut into equal runs
//   dirichlet  of each class, shares over the clients drawn from Dirichlet(alpha) (Yurochkin et al.
//              2019; Hsu et al. 2019 draw each client's classes instead); drawn again until every
//              client holds min_examples, at most 100 times
//   shards     examples sorted by label, cut into num_clients * shards_per_client shards that
//              differ by at most one example, and shards_per_client of them dealt to each client
//              (McMahan et al. 2017)
//   classes    each client holds classes_per_client classes, every class as many clients as any
//              other or one more; a class is divided equally among those that hold it. Classes that
//              nobody holds (fewer num_clients * classes_per_client than classes) stay unused.
//   quantity   iid labels; min_examples to each client, and of the rest shares drawn from
//              Dirichlet(alpha)
// Every kind but the last case of `classes` gives every example to exactly one client.
struct PartitionOptions {
  std::string kind = "iid";
  double alpha = 0.5;
  int64_t min_examples = 10;
  int64_t shards_per_client = 2;
  int64_t classes_per_client = 2;

  // "iid", "dirichlet(0.5)", "shards(2)": the kind and what matters to it.
  std::string ToString() const;
};

// INVALID_ARGUMENT: an unknown kind (lists those that exist) or a number out of range, by its name
// in a configuration file ("data.partition.alpha is 0, expected ...").
absl::Status ValidatePartitionOptions(const PartitionOptions& options);

// Every example of `dataset` goes to at most one client, and every client holds at least one. A
// pure function of its arguments; the kinds that draw from Dirichlet(alpha) call the system's log
// and exp, so there machines agree where their mathematics libraries do.
// INVALID_ARGUMENT: as ValidatePartitionOptions, or a partition that is impossible or that no draw
// gave (says why, with the numbers, and what to change).
absl::StatusOr<Partition> MakePartition(const Dataset& dataset, const PartitionOptions& options,
                                        int64_t num_clients, uint64_t seed);

// One seeded shuffle of all examples cut into equal runs; the first num_examples % num_clients
// clients hold one more. INVALID_ARGUMENT unless 1 <= num_clients <= num_examples < 2^31.
absl::StatusOr<Partition> PartitionIid(int64_t num_examples, int64_t num_clients, uint64_t seed);

}  // namespace tern

#endif  // TERN_CORE_DATA_PARTITION_H_
