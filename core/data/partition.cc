#include "core/data/partition.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/random.h"
#include "core/base/random_distributions.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

constexpr int kMaxDraws = 100;
constexpr double kMinAlpha = 1e-4;
constexpr double kMaxAlpha = 1e6;
constexpr int32_t kNobody = -1;

// What a kind is asked for, checked: 1 <= num_clients <= dataset.size() < 2^31.
struct Request {
  const Dataset& dataset;
  const PartitionOptions& options;
  int64_t num_clients;
  uint64_t seed;
};

absl::Status CheckSizes(int64_t num_examples, int64_t num_clients) {
  constexpr int64_t kMaxExamples = std::numeric_limits<int32_t>::max();
  if (num_examples < 1 || num_examples > kMaxExamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot divide ", num_examples, " examples, expected 1 to ", kMaxExamples));
  }
  if (num_clients < 1 || num_clients > num_examples) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_clients is ", num_clients, ", expected 1 to the number of examples, ", num_examples));
  }
  return absl::OkStatus();
}

// Each client's examples in ascending order. owners[i]: who holds example i, or kNobody.
Partition FromOwners(absl::Span<const int32_t> owners, int64_t num_clients) {
  Partition partition;
  partition.offsets.assign(static_cast<size_t>(num_clients) + 1, 0);
  for (const int32_t owner : owners) {
    if (owner != kNobody) ++partition.offsets[static_cast<size_t>(owner) + 1];
  }
  std::partial_sum(partition.offsets.begin(), partition.offsets.end(), partition.offsets.begin());
  partition.indices.resize(static_cast<size_t>(partition.offsets.back()));
  std::vector<int64_t> next(partition.offsets.begin(), partition.offsets.end() - 1);
  for (size_t i = 0; i < owners.size(); ++i) {
    if (owners[i] == kNobody) continue;
    const int64_t position = next[static_cast<size_t>(owners[i])]++;
    partition.indices[static_cast<size_t>(position)] = static_cast<int32_t>(i);
  }
  return partition;
}

std::vector<int32_t> ShuffledExamples(int64_t num_examples, RandomStream& random) {
  std::vector<int32_t> examples(static_cast<size_t>(num_examples));
  std::iota(examples.begin(), examples.end(), 0);
  random.Shuffle(absl::MakeSpan(examples));
  return examples;
}

// Examples of each class, each class in random order.
std::vector<std::vector<int32_t>> ExamplesByClass(const Dataset& dataset, RandomStream& random) {
  std::vector<std::vector<int32_t>> classes(static_cast<size_t>(dataset.num_classes()));
  for (const int32_t example : ShuffledExamples(dataset.size(), random)) {
    classes[static_cast<size_t>(dataset.label(example))].push_back(example);
  }
  return classes;
}

// Cuts `examples` into runs in proportion to `shares`, which add up to 1: the i-th run is client
// i's. Every example has an owner afterwards, whatever the rounding of the shares.
void DealByShares(absl::Span<const int32_t> examples, absl::Span<const double> shares,
                  absl::Span<int32_t> owners) {
  const auto count = static_cast<double>(examples.size());
  double cumulated = 0.0;
  size_t next = 0;
  for (size_t client = 0; client < shares.size(); ++client) {
    cumulated += shares[client];
    const size_t end = client + 1 == shares.size()
                           ? examples.size()
                           : std::min(static_cast<size_t>(cumulated * count), examples.size());
    for (; next < end; ++next) {
      owners[static_cast<size_t>(examples[next])] = static_cast<int32_t>(client);
    }
  }
}

absl::Status CheckMinExamples(const Request& request) {
  const int64_t min_examples = request.options.min_examples;
  const int64_t num_examples = request.dataset.size();
  if (min_examples <= num_examples / request.num_clients) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("data.partition.min_examples is ", min_examples, ", which ", request.num_clients,
                   " clients cannot each hold of ", num_examples, " examples; expected at most ",
                   num_examples / request.num_clients, ", or fewer num_clients"));
}

absl::StatusOr<Partition> DealIid(const Request& request) {
  return PartitionIid(request.dataset.size(), request.num_clients, request.seed);
}

absl::StatusOr<Partition> DealDirichlet(const Request& request) {
  TERN_RETURN_IF_ERROR(CheckMinExamples(request));
  const auto& [dataset, options, num_clients, seed] = request;
  RandomStream order({.seed = seed, .purpose = RandomPurpose::kPartition});
  const std::vector<std::vector<int32_t>> classes = ExamplesByClass(dataset, order);
  std::vector<int32_t> owners(static_cast<size_t>(dataset.size()));
  int64_t best = 0;
  for (uint64_t draw = 1; draw <= kMaxDraws; ++draw) {
    RandomStream random({.seed = seed, .round = draw, .purpose = RandomPurpose::kPartition});
    for (const std::vector<int32_t>& examples : classes) {
      DealByShares(examples, NextDirichlet(options.alpha, num_clients, random),
                   absl::MakeSpan(owners));
    }
    std::vector<int64_t> sizes(static_cast<size_t>(num_clients), 0);
    for (const int32_t owner : owners) ++sizes[static_cast<size_t>(owner)];
    const int64_t smallest = *std::min_element(sizes.begin(), sizes.end());
    if (smallest >= options.min_examples) return FromOwners(owners, num_clients);
    best = std::max(best, smallest);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "data.partition.alpha is ", options.alpha, ": none of ", kMaxDraws, " draws gave each of ",
      num_clients, " clients ", options.min_examples, " of ", dataset.size(),
      " examples; the best left one with ", best,
      "; raise alpha, or lower data.partition.min_examples or data.partition.num_clients"));
}

absl::StatusOr<Partition> DealShards(const Request& request) {
  const auto& [dataset, options, num_clients, seed] = request;
  const int64_t num_shards = num_clients * options.shards_per_client;
  if (num_shards > dataset.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.partition.shards_per_client is ", options.shards_per_client, ", which makes ",
        num_shards, " shards for ", num_clients, " clients out of ", dataset.size(),
        " examples; expected at most ", dataset.size() / num_clients, ", or fewer num_clients"));
  }
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kPartition});
  std::vector<int32_t> sorted;
  for (const std::vector<int32_t>& examples : ExamplesByClass(dataset, random)) {
    sorted.insert(sorted.end(), examples.begin(), examples.end());
  }
  const std::vector<int32_t> dealt = ShuffledExamples(num_shards, random);
  std::vector<int32_t> owners(sorted.size());
  for (int64_t i = 0; i < num_shards; ++i) {
    const int64_t shard = dealt[static_cast<size_t>(i)];
    const int64_t end = (shard + 1) * dataset.size() / num_shards;
    for (int64_t j = shard * dataset.size() / num_shards; j < end; ++j) {
      owners[static_cast<size_t>(sorted[static_cast<size_t>(j)])] =
          static_cast<int32_t>(i / options.shards_per_client);
    }
  }
  return FromOwners(owners, num_clients);
}

// The clients that hold each class, in the order of `classes`: each client takes the classes that
// the fewest hold so far, by lot among equals.
std::vector<std::vector<int32_t>> HoldersByClass(size_t num_classes, const Request& request,
                                                 RandomStream& random) {
  std::vector<std::vector<int32_t>> holders(num_classes);
  std::vector<size_t> order(num_classes);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto taken = static_cast<size_t>(request.options.classes_per_client);
  for (int64_t client = 0; client < request.num_clients; ++client) {
    random.Shuffle(absl::MakeSpan(order));
    std::stable_sort(order.begin(), order.end(), [&holders](size_t a, size_t b) {
      return holders[a].size() < holders[b].size();
    });
    for (size_t i = 0; i < taken; ++i) holders[order[i]].push_back(static_cast<int32_t>(client));
  }
  return holders;
}

absl::StatusOr<Partition> DealClasses(const Request& request) {
  const auto& [dataset, options, num_clients, seed] = request;
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kPartition});
  std::vector<std::vector<int32_t>> classes = ExamplesByClass(dataset, random);
  classes.erase(std::remove_if(classes.begin(), classes.end(),
                               [](const auto& examples) { return examples.empty(); }),
                classes.end());
  const auto num_classes = static_cast<int64_t>(classes.size());
  if (options.classes_per_client > num_classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.partition.classes_per_client is ", options.classes_per_client,
                     ", but the examples are of ", num_classes, " classes; expected at most that"));
  }
  const std::vector<std::vector<int32_t>> holders = HoldersByClass(classes.size(), request, random);
  std::vector<int32_t> owners(static_cast<size_t>(dataset.size()), kNobody);
  for (size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].size() < holders[c].size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.partition.classes_per_client is ", options.classes_per_client, ": ",
                       holders[c].size(), " of ", num_clients, " clients hold class ",
                       dataset.label(classes[c][0]), ", which has only ", classes[c].size(),
                       " examples; lower classes_per_client or data.partition.num_clients"));
    }
    for (size_t i = 0; i < classes[c].size() && !holders[c].empty(); ++i) {
      owners[static_cast<size_t>(classes[c][i])] = holders[c][i % holders[c].size()];
    }
  }
  return FromOwners(owners, num_clients);
}

absl::StatusOr<Partition> DealQuantity(const Request& request) {
  TERN_RETURN_IF_ERROR(CheckMinExamples(request));
  const auto& [dataset, options, num_clients, seed] = request;
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kPartition});
  const std::vector<int32_t> examples = ShuffledExamples(dataset.size(), random);
  const auto reserved = static_cast<size_t>(num_clients * options.min_examples);
  std::vector<int32_t> owners(examples.size());
  for (size_t i = 0; i < reserved; ++i) {
    owners[static_cast<size_t>(examples[i])] =
        static_cast<int32_t>(i / static_cast<size_t>(options.min_examples));
  }
  DealByShares(absl::MakeConstSpan(examples).subspan(reserved),
               NextDirichlet(options.alpha, num_clients, random), absl::MakeSpan(owners));
  return FromOwners(owners, num_clients);
}

struct Kind {
  const char* name;
  absl::StatusOr<Partition> (*deal)(const Request&);
  // What ToString shows of the options, or empty.
  std::string (*detail)(const PartitionOptions&);
};

std::string NoDetail(const PartitionOptions&) { return ""; }
std::string Alpha(const PartitionOptions& options) { return absl::StrCat(options.alpha); }

constexpr Kind kKinds[] = {
    {"iid", DealIid, NoDetail},
    {"dirichlet", DealDirichlet, Alpha},
    {"shards", DealShards,
     [](const PartitionOptions& options) { return absl::StrCat(options.shards_per_client); }},
    {"classes", DealClasses,
     [](const PartitionOptions& options) { return absl::StrCat(options.classes_per_client); }},
    {"quantity", DealQuantity, Alpha},
};

const Kind* FindKind(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                   [name](const Kind& kind) { return name == kind.name; });
  return found == std::end(kKinds) ? nullptr : found;
}

absl::Status CheckCount(absl::string_view field, int64_t value) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (value >= 1 && value <= kMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("data.partition.", field, " is ", value, ", expected 1 to ", kMax));
}

}  // namespace

absl::Span<const int32_t> Partition::client(int64_t i) const {
  const auto start = static_cast<size_t>(offsets[static_cast<size_t>(i)]);
  const auto end = static_cast<size_t>(offsets[static_cast<size_t>(i) + 1]);
  return absl::MakeConstSpan(indices).subspan(start, end - start);
}

std::string PartitionOptions::ToString() const {
  const Kind* found = FindKind(kind);
  const std::string detail = found == nullptr ? "" : found->detail(*this);
  return detail.empty() ? kind : absl::StrCat(kind, "(", detail, ")");
}

absl::Status ValidatePartitionOptions(const PartitionOptions& options) {
  if (FindKind(options.kind) == nullptr) {
    const auto name = [](std::string* out, const Kind& kind) { absl::StrAppend(out, kind.name); };
    return absl::InvalidArgumentError(absl::StrCat("data.partition.kind is '", options.kind,
                                                   "', expected one of ",
                                                   absl::StrJoin(kKinds, ", ", name)));
  }
  if (!(options.alpha >= kMinAlpha && options.alpha <= kMaxAlpha)) {
    return absl::InvalidArgumentError(absl::StrCat("data.partition.alpha is ", options.alpha,
                                                   ", expected ", kMinAlpha, " to ", kMaxAlpha));
  }
  TERN_RETURN_IF_ERROR(CheckCount("min_examples", options.min_examples));
  TERN_RETURN_IF_ERROR(CheckCount("shards_per_client", options.shards_per_client));
  return CheckCount("classes_per_client", options.classes_per_client);
}

absl::StatusOr<Partition> MakePartition(const Dataset& dataset, const PartitionOptions& options,
                                        int64_t num_clients, uint64_t seed) {
  TERN_RETURN_IF_ERROR(ValidatePartitionOptions(options));
  TERN_RETURN_IF_ERROR(CheckSizes(dataset.size(), num_clients));
  return FindKind(options.kind)
      ->deal({.dataset = dataset, .options = options, .num_clients = num_clients, .seed = seed});
}

absl::StatusOr<Partition> PartitionIid(int64_t num_examples, int64_t num_clients, uint64_t seed) {
  TERN_RETURN_IF_ERROR(CheckSizes(num_examples, num_clients));
  RandomStream random({.seed = seed, .purpose = RandomPurpose::kPartition});
  Partition partition;
  partition.indices = ShuffledExamples(num_examples, random);
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
