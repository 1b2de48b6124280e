#include "tests/e2e/programs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tern::e2e {
namespace {

std::vector<nlohmann::json> Rounds(const std::string& directory) {
  std::ifstream file(directory + "/metrics.jsonl");
  EXPECT_TRUE(file.good()) << directory;
  std::vector<nlohmann::json> rounds;
  for (std::string line; std::getline(file, line);) rounds.push_back(nlohmann::json::parse(line));
  return rounds;
}

}  // namespace

std::string Program(const std::string& name) {
  return absl::StrCat(TERN_BINARY_DIRECTORY, "/", name);
}

void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

Server::Server(const testing::TemporaryDirectory& directory, const std::string& config,
               std::vector<std::string> arguments)
    : out_(directory.File("out")) {
  WriteFile(directory.File("config.yaml"), config);
  std::vector<std::string> command = {Program("tern-server"),
                                      "--config",
                                      directory.File("config.yaml"),
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--out",
                                      out_};
  command.insert(command.end(), arguments.begin(), arguments.end());
  process_ = std::make_unique<testing::Process>(command);
  const absl::StatusOr<std::string> line = process_->WaitForLine("listening on ");
  EXPECT_TRUE(line.ok()) << line.status();
  if (!line.ok()) return;
  const size_t begin = line->find("127.0.0.1:");
  address_ = line->substr(begin, line->find(' ', begin) - begin);
}

std::vector<std::string> ClientCommand(const ClientOptions& options) {
  std::vector<std::string> command = {Program("tern-client"),
                                      "--server",
                                      options.address,
                                      "--client-id",
                                      absl::StrCat("client-", options.shard),
                                      "--data",
                                      absl::StrCat("fashion_mnist:shard=", options.shard, "/",
                                                   options.num_shards, ",seed=", options.seed)};
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());
  return command;
}

void ExpectExit(testing::Process& process, const testing::ExitStatus& expected) {
  const absl::StatusOr<testing::ExitStatus> exit = process.WaitForExit();
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(*exit, expected) << process.output();
}

std::vector<std::string> ModelHashes(const std::string& directory) {
  std::vector<std::string> values;
  for (const auto& round : Rounds(directory)) values.push_back(round.at("model_hash"));
  return values;
}

std::vector<int64_t> RoundValues(const std::string& directory, const std::string& key) {
  std::vector<int64_t> values;
  for (const auto& round : Rounds(directory)) values.push_back(round.at(key));
  return values;
}

std::vector<int64_t> ClientsDropped(const std::string& directory, const std::string& reason) {
  std::vector<int64_t> values;
  for (const auto& round : Rounds(directory)) {
    values.push_back(round.at("clients_dropped").value(reason, int64_t{0}));
  }
  return values;
}

std::vector<double> ClassWidths(const std::string& directory) {
  std::ifstream file(directory + "/population.json");
  EXPECT_TRUE(file.good()) << directory;
  const nlohmann::json population = nlohmann::json::parse(file);
  std::vector<double> widths;
  for (const auto& device : population.at("classes")) widths.push_back(device.at("width"));
  return widths;
}

}  // namespace tern::e2e
