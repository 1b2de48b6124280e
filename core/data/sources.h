// Data sets by name, and where their files are: one table, one line per data set.
#ifndef TERN_CORE_DATA_SOURCES_H_
#define TERN_CORE_DATA_SOURCES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"

namespace tern {

struct DataSource {
  std::string name = "fashion_mnist";
  std::string path;  // directory of the files; empty: where the system's package puts them
};

enum class Split { kTrain, kTest };

// NOT_FOUND: unknown name (lists those that exist), or no files (says which file, and which package
// brings it). Otherwise as the reader of the format.
absl::StatusOr<std::unique_ptr<Dataset>> LoadDataset(const DataSource& source, Split split);

std::vector<std::string> DataSourceNames();

// One client's part of a data set, as it is written on a command line: NAME[:key=value,...] with
// the keys path=DIR, shard=I/N (0 <= I < N), seed=S (of the partition, default 1), partition=KIND
// (default iid), and the numbers that the kind needs: alpha=, min_examples=, shards_per_client=,
// classes_per_client= (see PartitionOptions). Examples: "fashion_mnist:shard=3/10,seed=1",
// "fashion_mnist:shard=3/10,partition=dirichlet,alpha=0.1".
struct ShardSpec {
  DataSource source;
  int64_t shard = 0;
  int64_t num_shards = 1;
  uint64_t seed = 1;
  PartitionOptions partition;
};

// INVALID_ARGUMENT names the key and what was expected.
absl::StatusOr<ShardSpec> ParseShardSpec(absl::string_view text);

}  // namespace tern

#endif  // TERN_CORE_DATA_SOURCES_H_
