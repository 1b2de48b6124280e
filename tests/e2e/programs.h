// The programs as a user runs them: tern-server, tern-client and tern-sim, on this machine's
// loopback, with real data.
#ifndef TERN_TESTS_E2E_PROGRAMS_H_
#define TERN_TESTS_E2E_PROGRAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/testing/process.h"
#include "tests/testing/temporary_directory.h"

namespace tern::e2e {

// The path of a program that the build made.
std::string Program(const std::string& name);

void WriteFile(const std::string& path, const std::string& contents);

// tern-server on a free port. The test fails if it does not come up.
class Server {
 public:
  // `config`: the text of a configuration file; results go to `directory`/out.
  Server(const testing::TemporaryDirectory& directory, const std::string& config,
         std::vector<std::string> arguments = {"--insecure"});

  testing::Process& process() { return *process_; }
  const std::string& address() const { return address_; }  // 127.0.0.1:PORT
  const std::string& out() const { return out_; }

 private:
  std::string out_;
  std::unique_ptr<testing::Process> process_;
  std::string address_;
};

// The command line of a tern-client named client-SHARD.
struct ClientOptions {
  std::string address;
  int shard = 0;
  int num_shards = 1;
  int seed = 1;  // of the cut into shards
  std::vector<std::string> arguments = {"--insecure"};
};
std::vector<std::string> ClientCommand(const ClientOptions& options);

// Waits until the process has ended and expects this exit status.
void ExpectExit(testing::Process& process, const testing::ExitStatus& expected);

// metrics.jsonl of the run in `directory`: one value per round.
std::vector<std::string> ModelHashes(const std::string& directory);
std::vector<int64_t> RoundValues(const std::string& directory, const std::string& key);
// Clients dropped for `reason`, per round.
std::vector<int64_t> ClientsDropped(const std::string& directory, const std::string& reason);
// population.json of the simulation in `directory`: the width of each class's plan.
std::vector<double> ClassWidths(const std::string& directory);

}  // namespace tern::e2e

#endif  // TERN_TESTS_E2E_PROGRAMS_H_
