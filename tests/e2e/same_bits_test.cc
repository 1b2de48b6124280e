// A simulation and a deployment of one task come to the same model in every round, bit for bit,
// with updates of as many bytes and in as much of the devices' memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/e2e/programs.h"

namespace tern::e2e {
namespace {

using ::tern::testing::ExitStatus;
using ::tern::testing::Finished;
using ::tern::testing::Process;
using ::tern::testing::RunToEnd;
using ::tern::testing::TemporaryDirectory;
using ::testing::ElementsAre;

constexpr int kRounds = 3;

// `cohort_size` of the clients are selected in a round, once all are there.
std::string Config(int num_clients, int cohort_size, const std::string& codec) {
  return absl::StrReplaceAll(R"yaml(
seed: 7
data: {name: fashion_mnist, partition: {kind: iid, num_clients: CLIENTS}}
task:
  name: same-bits
  model: tiny_cnn
  num_rounds: ROUNDS
  train: {local_epochs: 1, batch_size: 50, learning_rate: 0.05}
  codec: {up: "CODEC"}
  adapt: {widths: [1, 0.5, 0.25]}
  evaluate: {every: 0}
  round: {min_available: CLIENTS, deadline_s: 600, cohort_size: COHORT, min_updates: COHORT}
)yaml",
                             {{"CLIENTS", absl::StrCat(num_clients)},
                              {"ROUNDS", absl::StrCat(kRounds)},
                              {"COHORT", absl::StrCat(cohort_size)},
                              {"CODEC", codec}});
}

// What metrics.jsonl says of each round.
struct Rounds {
  std::vector<std::string> model_hashes;
  std::vector<int64_t> update_bytes;
  std::vector<int64_t> peak_memory_bytes;

  bool operator==(const Rounds&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Rounds& rounds) {
  for (size_t i = 0; i < rounds.model_hashes.size(); ++i) {
    out << "\n  model " << rounds.model_hashes[i] << ", updates " << rounds.update_bytes[i]
        << " bytes, peak " << rounds.peak_memory_bytes[i] << " bytes";
  }
  return out;
}

Rounds ReadRounds(const std::string& directory) {
  return {ModelHashes(directory), RoundValues(directory, "update_bytes"),
          RoundValues(directory, "device_peak_memory_bytes")};
}

void RunSimulator(const std::string& config, int threads, const std::string& out) {
  const TemporaryDirectory directory;
  WriteFile(directory.File("config.yaml"), config);
  const Finished finished = RunToEnd({Program("tern-sim"), "run", directory.File("config.yaml"),
                                      "--out", out, "--threads", absl::StrCat(threads)});
  ASSERT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
}

Rounds Simulate(const std::string& config, int threads) {
  const TemporaryDirectory directory;
  RunSimulator(config, threads, directory.File("out"));
  return ReadRounds(directory.File("out"));
}

// With one client process for each of `ram_kib`, which start in this order or the other way round.
Rounds Deploy(const std::string& config, const std::vector<int>& ram_kib, bool backwards) {
  const TemporaryDirectory directory;
  Server server(directory, config, {"--insecure", "--exit-when-done"});
  const int num_clients = static_cast<int>(ram_kib.size());
  std::vector<std::unique_ptr<Process>> clients;
  for (int i = 0; i < num_clients; ++i) {
    const int id = backwards ? num_clients - 1 - i : i;
    clients.push_back(std::make_unique<Process>(ClientCommand(
        {.address = server.address(),
         .shard = id,
         .num_shards = num_clients,
         .seed = 7,
         .arguments = {"--insecure", "--ram-kb", absl::StrCat(ram_kib[static_cast<size_t>(id)]),
                       "--state-dir", directory.File(absl::StrCat("state-", id))}})));
    // So that they check in in this order; the last one opens the round.
    if (i + 1 == num_clients) break;
    EXPECT_TRUE(clients.back()->WaitForLine("waiting for devices").ok());
  }
  for (const auto& client : clients) ExpectExit(*client, {.code = 0});
  ExpectExit(server.process(), {.code = 0});
  return ReadRounds(server.out());
}

// Returns the rounds that all have in common.
Rounds ExpectSame(const std::string& config, const std::vector<int>& ram_kib) {
  Rounds reference = Simulate(config, 1);
  EXPECT_EQ(reference.model_hashes.size(), size_t{kRounds});
  EXPECT_EQ(
      std::set<std::string>(reference.model_hashes.begin(), reference.model_hashes.end()).size(),
      size_t{kRounds})
      << "a round changed nothing";
  EXPECT_EQ(Simulate(config, 2), reference);
  EXPECT_EQ(Deploy(config, ram_kib, /*backwards=*/false), reference);
  EXPECT_EQ(Deploy(config, ram_kib, /*backwards=*/true), reference);
  return reference;
}

class SameBits : public ::testing::TestWithParam<int> {};

TEST_P(SameBits, SimulatedOnAnyThreads_DeployedInAnyOrder) {
  ExpectSame(Config(5, GetParam(), "quantize(8)"), std::vector<int>(5, 64 * 1024));
}

// The whole population, and a part of it.
INSTANTIATE_TEST_SUITE_P(CohortSize, SameBits, ::testing::Values(5, 3));

// Three classes of two clients.
constexpr int kRamKib[] = {512, 512, 768, 768, 2048, 2048};
std::string SubmodelConfig(const std::string& codec) {
  return absl::StrCat(Config(6, 6, codec), R"yaml(
population:
  - {profile: laptop, fraction: 0.333333, ram_bytes: 524288}
  - {profile: laptop, fraction: 0.333333, ram_bytes: 786432}
  - {profile: laptop, fraction: 0.333334, ram_bytes: 2097152}
)yaml");
}

class SameBitsOfSubmodels : public ::testing::TestWithParam<const char*> {};

TEST_P(SameBitsOfSubmodels, SimulatedOnAnyThreads_DeployedInAnyOrder) {
  ExpectSame(SubmodelConfig(GetParam()), {std::begin(kRamKib), std::end(kRamKib)});
}

// The second leaves most coordinates out, which the clients keep for the next round.
INSTANTIATE_TEST_SUITE_P(Codec, SameBitsOfSubmodels, ::testing::Values("quantize(8)", "topk(0.1)"),
                         [](const auto& codec) {
                           return std::string(codec.index == 0 ? "Quantize" : "TopK");
                         });

// What a strategy changes of Config.
struct Strategy {
  const char* name;
  const char* codec;
  const char* train;
  const char* strategy;
};

class SameBitsOfStrategies : public ::testing::TestWithParam<Strategy> {};

TEST_P(SameBitsOfStrategies, SimulatedOnAnyThreads_DeployedInAnyOrder) {
  const std::string config = absl::StrReplaceAll(
      Config(5, 5, GetParam().codec),
      {{"learning_rate: 0.05", absl::StrCat("learning_rate: 0.05, ", GetParam().train)},
       {"  adapt: {widths: [1, 0.5, 0.25]}",
        absl::StrCat("  strategy: {", GetParam().strategy, "}")}});
  ExpectSame(config, std::vector<int>(5, 64 * 1024));
}

// State on the devices of every kind; updates that are read back; a server that remembers.
INSTANTIATE_TEST_SUITE_P(
    Name, SameBitsOfStrategies,
    ::testing::Values(Strategy{"Scaffold", "topk(0.1)", "method: scaffold", "optimizer: fedavg"},
                      Strategy{"FedDynPersonal", "quantize(8)",
                               "method: feddyn, proximal_mu: 0.1, personal: {layers: [fc1]}",
                               "optimizer: feddyn, weights: uniform"},
                      Strategy{"KrumAdam", "rotate|eden(2)|rans", "momentum: 0.5",
                               "aggregator: multi_krum, attackers: 1, optimizer: fedadam, "
                               "learning_rate: 0.01"}),
    [](const auto& strategy) { return std::string(strategy.param.name); });

TEST(Submodels, EachClass_TrainsAsMuchOfTheModelAsItsMemoryHolds) {
  const TemporaryDirectory directory;
  RunSimulator(SubmodelConfig("quantize(8)"), 2, directory.File("out"));
  EXPECT_THAT(ClassWidths(directory.File("out")), ElementsAre(0.25, 0.5, 1.0));
}

TEST(ErrorFeedback, Off_TheSecondRoundIsAnother) {
  const std::string config = SubmodelConfig("topk(0.1)");
  const Rounds kept = Simulate(config, 2);
  const Rounds lost = Simulate(
      absl::StrReplaceAll(config, {{"\"topk(0.1)\"", "\"topk(0.1)\", error_feedback: false"}}), 2);
  EXPECT_EQ(kept.model_hashes[0], lost.model_hashes[0]);
  EXPECT_NE(kept.model_hashes[1], lost.model_hashes[1]);
}

}  // namespace
}  // namespace tern::e2e
