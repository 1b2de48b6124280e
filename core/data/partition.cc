#include "core/data/partition.h"

#include <limits>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/random.h"

namespace tern {

absl::Span<const int32_t> Partition::client(int64_t i) const {
  const auto start = static_cast<size_t>(offsets[static_cast<size_t>(i)]);
  const auto end = static_cast<size_t>(offsets[static_cast<size_t>(i) + 1]);
  return absl::MakeConstSpan(indices).subspan(start, end - start);
}

absl::StatusOr<Partition> PartitionIid(int64_t num_examples, int64_t num_clients, uint64_t seed) {
  constexpr int64_t kMaxExamples = std::numeric_limits<int32_t>::max();
  if (num_examples < 1 || num_examples > kMaxExamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot divide ", num_examples, " examples, expected 1 to ", kMaxExamples));
  }
  if (num_clients < 1 || num_clients > num_examples) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_clients is ", num_clients, ", expected 1 to the number of examples, ", num_examples));
  }
  Partition partition;
  partition.indices.resize(static_cast<size_t>(num_examples));
  std::iota(partition.indices.begin(), partition.indices.end(), 0);
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kPartition});
  random.Shuffle(absl::MakeSpan(partition.indices));
  const int64_t smaller = num_examples / num_clients;
  const int64_t num_larger = num_examples % num_clients;
  partition.offsets.reserve(static_cast<size_t>(num_clients) + 1);
  partition.offsets.push_back(0);
  for (int64_t i = 0; i < num_clients; ++i) {
    partition.offsets.push_back(partition.offsets.back() + smaller + (i < num_larger ? 1 : 0));
  }
  return partition;
}

}  // namespace tern
