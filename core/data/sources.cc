#include "core/data/sources.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"
#include "core/data/idx.h"

namespace tern {
namespace {

// Files are named without ".gz": either form is accepted.
struct SourceEntry {
  const char* name;
  const char* directory;
  const char* package;
  int64_t num_classes;
  const char* train_images;
  const char* train_labels;
  const char* test_images;
  const char* test_labels;
};

constexpr SourceEntry kSources[] = {
    {.name = "fashion_mnist",
     .directory = "/usr/share/datasets/fashion-mnist",
     .package = "dataset-fashion-mnist",
     .num_classes = 10,
     .train_images = "train-images-idx3-ubyte",
     .train_labels = "train-labels-idx1-ubyte",
     .test_images = "t10k-images-idx3-ubyte",
     .test_labels = "t10k-labels-idx1-ubyte"},
};

const SourceEntry* FindSource(absl::string_view name) {
  for (const SourceEntry& entry : kSources) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

std::string UnknownSource(absl::string_view name) {
  return absl::StrCat("no data set '", name, "'; there are ",
                      absl::StrJoin(DataSourceNames(), ", "));
}

absl::StatusOr<std::string> FindFile(const SourceEntry& entry, const std::string& directory,
                                     absl::string_view file) {
  for (const absl::string_view suffix : {"", ".gz"}) {
    std::string path = absl::StrCat(directory, "/", file, suffix);
    std::error_code unreadable;
    if (std::filesystem::exists(path, unreadable)) return path;
  }
  return absl::NotFoundError(absl::StrCat("data set '", entry.name, "': no file ", file, " or ",
                                          file, ".gz in ", directory, "; install the package ",
                                          entry.package, " or set path to the directory"));
}

bool SetShard(absl::string_view value, ShardSpec& spec) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(value, absl::MaxSplits('/', 1));
  return absl::SimpleAtoi(parts.first, &spec.shard) && spec.shard >= 0 &&
         absl::SimpleAtoi(parts.second, &spec.num_shards) && spec.shard < spec.num_shards &&
         spec.num_shards <= std::numeric_limits<int32_t>::max();
}

template <int64_t PartitionOptions::*kField>
bool SetCount(absl::string_view value, ShardSpec& spec) {
  return absl::SimpleAtoi(value, &(spec.partition.*kField));
}

// Ranges of the partition's numbers are ValidatePartitionOptions' to check.
struct ShardKey {
  absl::string_view name;
  absl::string_view expected;
  bool (*set)(absl::string_view value, ShardSpec& spec);
};

constexpr ShardKey kShardKeys[] = {
    {"path", "a directory",
     [](absl::string_view value, ShardSpec& spec) {
       spec.source.path = std::string(value);
       return !value.empty();
     }},
    {"shard", "I/N with 0 <= I < N <= 2147483647, such as 3/10", SetShard},
    {"seed", "an integer from 0 to 2^64 - 1",
     [](absl::string_view value, ShardSpec& spec) { return absl::SimpleAtoi(value, &spec.seed); }},
    {"partition", "a kind of partition",
     [](absl::string_view value, ShardSpec& spec) {
       spec.partition.kind = std::string(value);
       return !value.empty();
     }},
    {"alpha", "a number",
     [](absl::string_view value, ShardSpec& spec) {
       return absl::SimpleAtod(value, &spec.partition.alpha);
     }},
    {"min_examples", "an integer", SetCount<&PartitionOptions::min_examples>},
    {"shards_per_client", "an integer", SetCount<&PartitionOptions::shards_per_client>},
    {"classes_per_client", "an integer", SetCount<&PartitionOptions::classes_per_client>},
};

std::string ShardKeyNames() {
  return absl::StrJoin(kShardKeys, ", ", [](std::string* out, const ShardKey& key) {
    absl::StrAppend(out, key.name);
  });
}

absl::Status SetKey(absl::string_view name, absl::string_view value, ShardSpec& spec) {
  for (const ShardKey& key : kShardKeys) {
    if (key.name != name) continue;
    if (key.set(value, spec)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("data: ", name, " is '", value, "', expected ", key.expected));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("data: unknown key '", name, "', expected one of ", ShardKeyNames()));
}

// The fields' names of a configuration file as keys of a command line.
absl::Status CheckPartition(const PartitionOptions& partition) {
  const absl::Status status = ValidatePartitionOptions(partition);
  if (status.ok()) return status;
  return {status.code(),
          absl::StrCat("data: ",
                       absl::StrReplaceAll(status.message(), {{"data.partition.kind", "partition"},
                                                              {"data.partition.", ""}}))};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> LoadDataset(const DataSource& source, Split split) {
  const SourceEntry* entry = FindSource(source.name);
  if (entry == nullptr) return absl::NotFoundError(UnknownSource(source.name));
  const std::string directory = source.path.empty() ? entry->directory : source.path;
  const bool train = split == Split::kTrain;
  TERN_ASSIGN_OR_RETURN(
      const std::string images,
      FindFile(*entry, directory, train ? entry->train_images : entry->test_images));
  TERN_ASSIGN_OR_RETURN(
      const std::string labels,
      FindFile(*entry, directory, train ? entry->train_labels : entry->test_labels));
  return ReadIdxDataset(images, labels, entry->num_classes);
}

std::vector<std::string> DataSourceNames() {
  std::vector<std::string> names;
  for (const SourceEntry& entry : kSources) names.emplace_back(entry.name);
  return names;
}

absl::StatusOr<ShardSpec> ParseShardSpec(absl::string_view text) {
  ShardSpec spec;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  if (FindSource(parts[0]) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("data: ", UnknownSource(parts[0])));
  }
  spec.source.name = std::string(parts[0]);
  if (parts.size() == 1) return spec;
  std::vector<absl::string_view> seen;
  for (const absl::string_view item : absl::StrSplit(parts[1], ',')) {
    const std::vector<absl::string_view> key_value = absl::StrSplit(item, absl::MaxSplits('=', 1));
    if (key_value.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("data: '", item, "' is not key=value, with a key of ", ShardKeyNames()));
    }
    if (std::find(seen.begin(), seen.end(), key_value[0]) != seen.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("data: key '", key_value[0], "' is given twice, expected once"));
    }
    seen.push_back(key_value[0]);
    TERN_RETURN_IF_ERROR(SetKey(key_value[0], key_value[1], spec));
  }
  TERN_RETURN_IF_ERROR(CheckPartition(spec.partition));
  return spec;
}

}  // namespace tern
