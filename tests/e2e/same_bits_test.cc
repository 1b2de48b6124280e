// The same model, bit for bit, whether devices are simulated on any number of threads or are
// processes that reach the coordinator over gRPC in any order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/programs.h"

namespace tern::e2e {
namespace {

using ::tern::testing::ExitStatus;
using ::tern::testing::Finished;
using ::tern::testing::Process;
using ::tern::testing::RunToEnd;
using ::tern::testing::TemporaryDirectory;

constexpr int kClients = 5;

// `cohort_size` of the five are selected in a round, once all five are there.
std::string Config(int cohort_size) {
  return absl::StrCat(R"yaml(
seed: 7
data: {name: fashion_mnist, partition: {kind: iid, num_clients: 5}}
task:
  name: same-bits
  model: tiny_cnn
  num_rounds: 3
  train: {local_epochs: 1, batch_size: 50, learning_rate: 0.05}
  codec: {up: "quantize(8)"}
  evaluate: {every: 0}
  round: {min_available: 5, deadline_s: 120, cohort_size: )yaml",
                      cohort_size, ", min_updates: ", cohort_size, "}\n");
}

std::vector<std::string> Simulate(const std::string& config, int threads) {
  const TemporaryDirectory directory;
  WriteFile(directory.File("config.yaml"), config);
  const Finished finished =
      RunToEnd({Program("tern-sim"), "run", directory.File("config.yaml"), "--out",
                directory.File("out"), "--threads", absl::StrCat(threads)});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
  return ModelHashes(directory.File("out"));
}

// With client processes that start in the order of `ids`.
std::vector<std::string> Deploy(const std::string& config, const std::vector<int>& ids) {
  const TemporaryDirectory directory;
  Server server(directory, config, {"--insecure", "--exit-when-done"});
  std::vector<std::unique_ptr<Process>> clients;
  for (const int id : ids) {
    clients.push_back(
        std::make_unique<Process>(ClientCommand({.address = server.address(),
                                                 .shard = id,
                                                 .num_shards = kClients,
                                                 .seed = 7,
                                                 .arguments = {"--insecure", "--ram-mb", "64"}})));
    // So that they check in in this order; the last one opens the round.
    if (id == ids.back()) break;
    EXPECT_TRUE(clients.back()->WaitForLine("waiting for devices").ok());
  }
  for (const auto& client : clients) ExpectExit(*client, {.code = 0});
  ExpectExit(server.process(), {.code = 0});
  return ModelHashes(server.out());
}

class SameBits : public ::testing::TestWithParam<int> {};

TEST_P(SameBits, SimulatedOnAnyThreads_DeployedInAnyOrder) {
  const std::string config = Config(GetParam());
  const std::vector<std::string> reference = Simulate(config, 1);
  ASSERT_EQ(reference.size(), 3u);
  EXPECT_EQ(std::set<std::string>(reference.begin(), reference.end()).size(), 3u)
      << "a round changed nothing";
  EXPECT_EQ(Simulate(config, 2), reference);
  EXPECT_EQ(Deploy(config, {0, 1, 2, 3, 4}), reference);
  EXPECT_EQ(Deploy(config, {4, 3, 2, 1, 0}), reference);
}

// The whole population, and a part of it.
INSTANTIATE_TEST_SUITE_P(CohortSize, SameBits, ::testing::Values(kClients, 3));

}  // namespace
}  // namespace tern::e2e
