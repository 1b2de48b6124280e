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

absl::Status KeyError(absl::string_view key, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("data: ", key, " is '", value, "', expected ", expected));
}

absl::Status SetShard(absl::string_view value, ShardSpec& spec) {
  constexpr int64_t kMaxShards = std::numeric_limits<int32_t>::max();
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(value, absl::MaxSplits('/', 1));
  if (absl::SimpleAtoi(parts.first, &spec.shard) && spec.shard >= 0 &&
      absl::SimpleAtoi(parts.second, &spec.num_shards) && spec.shard < spec.num_shards &&
      spec.num_shards <= kMaxShards) {
    return absl::OkStatus();
  }
  return KeyError("shard", value,
                  absl::StrCat("I/N with 0 <= I < N <= ", kMaxShards, ", such as 3/10"));
}

absl::Status SetKey(absl::string_view key, absl::string_view value, ShardSpec& spec) {
  if (key == "shard") return SetShard(value, spec);
  if (key == "seed") {
    if (absl::SimpleAtoi(value, &spec.seed)) return absl::OkStatus();
    return KeyError(key, value, "an integer from 0 to 2^64 - 1");
  }
  if (key == "path") {
    if (value.empty()) return KeyError(key, value, "a directory");
    spec.source.path = std::string(value);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("data: unknown key '", key, "', expected path, shard or seed"));
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
          absl::StrCat("data: '", item, "' is not key=value, with a key of path, shard or seed"));
    }
    if (std::find(seen.begin(), seen.end(), key_value[0]) != seen.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("data: key '", key_value[0], "' is given twice, expected once"));
    }
    seen.push_back(key_value[0]);
    TERN_RETURN_IF_ERROR(SetKey(key_value[0], key_value[1], spec));
  }
  return spec;
}

}  // namespace tern
