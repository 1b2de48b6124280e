// How a dataset is divided among clients: pure functions of a seed, so that a deployed client and
// the simulator cut the same shards.
#ifndef TERN_CORE_DATA_PARTITION_H_
#define TERN_CORE_DATA_PARTITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace tern {

// Example indices of all clients in one array: client i holds indices [offsets[i], offsets[i + 1]).
struct Partition {
  std::vector<int32_t> indices;
  std::vector<int64_t> offsets;  // num_clients + 1, ascending from 0

  int64_t num_clients() const { return static_cast<int64_t>(offsets.size()) - 1; }
  absl::Span<const int32_t> client(int64_t i) const;
};

// One seeded shuffle of all examples cut into equal runs; the first num_examples % num_clients
// clients hold one more. INVALID_ARGUMENT unless 1 <= num_clients <= num_examples < 2^31.
absl::StatusOr<Partition> PartitionIid(int64_t num_examples, int64_t num_clients, uint64_t seed);

}  // namespace tern

#endif  // TERN_CORE_DATA_PARTITION_H_
