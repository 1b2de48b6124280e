// The binary tern-server, as operators and scripts see it: exit status, output, files.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/grpc/grpc_transport.h"
#include "core/base/files.h"
#include "core/wire/model_file.h"
#include "core/wire/serialize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::MakeUpdate;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// A running program whose output is read as it comes.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const std::string& errors_path) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.data()));
    argv.push_back(nullptr);
    std::array<int, 2> output;
    EXPECT_EQ(pipe2(output.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0) << argv[0];
    posix_spawn_file_actions_destroy(&actions);
    close(output[1]);
    output_ = fdopen(output[0], "r");
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::fclose(output_);
  }

  // Empty at the end of the output.
  std::string ReadLine() {
    std::string line;
    for (int c = std::fgetc(output_); c != EOF && c != '\n'; c = std::fgetc(output_)) {
      line.push_back(static_cast<char>(c));
    }
    return line;
  }
  void Signal(int signal) { kill(pid_, signal); }

  // Waits for the end; the exit status, or -1 if a signal ended it.
  int Wait(std::string& rest_of_output) {
    rest_of_output.clear();
    for (int c = std::fgetc(output_); c != EOF; c = std::fgetc(output_)) {
      rest_of_output.push_back(static_cast<char>(c));
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

class TernServerTest : public ::testing::Test {
 protected:
  TernServerTest() {
    std::filesystem::create_directories(directory_);
    EXPECT_THAT(WriteFileAtomically(config_,
                                    "task:\n"
                                    "  name: tiny\n"
                                    "  model: {spec: {name: smallest, input: [2], layers:\n"
                                    "    [{name: fc, kind: dense, units: 2}]}}\n"
                                    "  num_rounds: 2\n"
                                    "  round: {cohort_size: 1}\n"
                                    "  evaluate: {every: 0}\n"),
                IsOk());
  }
  ~TernServerTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Process> Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TERN_SERVER_BINARY);
    return std::make_unique<Process>(arguments, errors_path_);
  }
  // Serves on a free port and leaves its results in out_.
  std::unique_ptr<Process> StartServing(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--config", config_,       "--insecure",
                                          "--listen", "127.0.0.1:0", "--out",
                                          out_,       "--port-file", port_file_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Start(arguments);
  }
  int Run(const std::vector<std::string>& arguments) { return Start(arguments)->Wait(output_); }

  static std::string Read(const std::string& path) {
    return ReadTextFile(path, 1 << 20).value_or("unreadable");
  }
  std::string Errors() { return Read(errors_path_); }

  // Takes part in the round as the device: checks in and sends an update.
  static void TakePart(client::Transport& transport) {
    const auto reply = transport.CheckIn({.client_id = "device", .num_examples = 10});
    ASSERT_THAT(reply, IsOk());
    const Lease& lease = std::get<Lease>(*reply);
    const Update update = MakeUpdate(lease, {1, 2, 3, 4, 5, 6});
    ASSERT_THAT(transport.SubmitUpdate(lease.lease_id, Serialize(update)), IsOk());
  }
  std::unique_ptr<client::Transport> Connect() {
    auto transport = client::MakeGrpcTransport(
        {.server = absl::StrCat("127.0.0.1:", absl::StripAsciiWhitespace(Read(port_file_))),
         .insecure = true});
    EXPECT_THAT(transport, IsOk());
    return *std::move(transport);
  }

  const std::string directory_ = absl::StrCat(::testing::TempDir(), "tern_server_", ::getpid());
  const std::string config_ = directory_ + "/tiny.yaml";
  const std::string out_ = directory_ + "/out";
  const std::string port_file_ = directory_ + "/port";
  const std::string errors_path_ = directory_ + "/errors";
  std::string output_;
};

TEST_F(TernServerTest, Help_HasEveryOptionAndExamples) {
  EXPECT_EQ(Run({"--help"}), 0);
  for (const char* option :
       {"--config", "--set", "--check", "--insecure", "--listen", "--port-file", "--out",
        "--exit-when-done", "--threads", "--version"}) {
    EXPECT_THAT(output_, HasSubstr(option));
  }
  EXPECT_THAT(output_, HasSubstr("Examples:\n"));
}

TEST_F(TernServerTest, Version_IsPrinted) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(output_, MatchesRegex("tern-server [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(TernServerTest, BadArguments_ExitWith2) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_THAT(Errors(), HasSubstr("--config"));
  EXPECT_EQ(Run({"--config", config_, "--nonsense"}), 2);
  EXPECT_EQ(Run({"--config", config_, "--threads", "0"}), 2);
  EXPECT_EQ(Run({"--config", config_, "--set"}), 2);
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(TernServerTest, Check_GoodConfiguration_PrintsItResolved) {
  EXPECT_EQ(Run({"--config", config_, "--check", "--insecure", "--set", "task.num_rounds=7",
                 "--set", "task.codec.up=quantize(8)"}),
            0);
  EXPECT_THAT(output_, StartsWith("seed: 1\ndata:\n"));
  EXPECT_THAT(output_, HasSubstr("  num_rounds: 7\n"));
  EXPECT_THAT(output_, HasSubstr("    up: \"quantize(8)\"\n"));
  EXPECT_THAT(output_, EndsWith("\nok\n"));
  EXPECT_EQ(Errors(), "");
}

TEST_F(TernServerTest, Check_WithoutTls_Warns) {
  EXPECT_EQ(Run({"--config", config_, "--check"}), 0);
  EXPECT_THAT(Errors(), StartsWith("tern-server: warning: server.tls is not given"));
}

TEST_F(TernServerTest, BadConfiguration_IsOneLineAndExit1) {
  EXPECT_EQ(Run({"--config", config_, "--check", "--set", "task.rounds=1"}), 1);
  EXPECT_THAT(Errors(), MatchesRegex("tern-server: --set task.rounds=1: task.rounds: unknown "
                                     "field; [^\n]*\n"));
  EXPECT_EQ(Run({"--config", directory_ + "/none.yaml"}), 1);
  EXPECT_THAT(Errors(), MatchesRegex("tern-server: [^\n]*none.yaml[^\n]*\n"));
  EXPECT_THAT(output_, IsEmpty());
}

TEST_F(TernServerTest, WithoutTls_StartsOnlyInsecure) {
  EXPECT_EQ(Run({"--config", config_, "--listen", "127.0.0.1:0", "--out", out_}), 1);
  EXPECT_THAT(Errors(), HasSubstr("--insecure"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(TernServerTest, MissingTestData_IsSaidBeforeAnythingStarts) {
  EXPECT_EQ(Run({"--config", config_, "--check", "--set", "task.evaluate.every=1", "--set",
                 "data.path=/no/such/directory"}),
            1);
  EXPECT_THAT(Errors(), HasSubstr("/no/such/directory"));
  EXPECT_THAT(Errors(), HasSubstr("task.evaluate.every: 0 works without"));
}

TEST_F(TernServerTest, ModelThatDoesNotFitTheData_IsSaidBeforeAnythingStarts) {
  EXPECT_EQ(Run({"--config", config_, "--check", "--set", "task.evaluate.every=1"}), 1);
  EXPECT_THAT(Errors(),
              StartsWith("tern-server: task.model does not fit data.name fashion_mnist: "));
}

TEST_F(TernServerTest, WrongListen_NamesTheOption) {
  EXPECT_EQ(Run({"--config", config_, "--insecure", "--listen", "o'clock"}), 1);
  EXPECT_THAT(Errors(), HasSubstr("server.listen is 'o'clock', expected HOST:PORT"));
}

TEST_F(TernServerTest, Sigterm_LeavesTheResultsSoFar) {
  const auto server = StartServing();
  const std::string line = server->ReadLine();
  EXPECT_THAT(line, MatchesRegex("listening on 127\\.0\\.0\\.1:[0-9]+ \\(insecure\\)"));
  EXPECT_THAT(line,
              HasSubstr(absl::StrCat(":", absl::StripAsciiWhitespace(Read(port_file_)), " ")));
  TakePart(*Connect());
  EXPECT_THAT(server->ReadLine(), StartsWith("[round 1/2] selected 1 of 1, completed 1, up "));
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(output_), 0);
  EXPECT_THAT(output_, StartsWith("1 round, 1 update in "));
  EXPECT_THAT(output_, HasSubstr(absl::StrCat("stopped by SIGTERM after round 1 of 2; the model "
                                              "is in ",
                                              out_, "/model.tern\n")));
  EXPECT_THAT(Errors(), StartsWith("tern-server: warning: --insecure: devices are neither "
                                   "authenticated nor encrypted\n"));

  const auto summary = nlohmann::json::parse(Read(out_ + "/summary.json"));
  EXPECT_EQ(summary.at("rounds"), 1);
  EXPECT_GT(summary.at("total_bytes_up"), 0);
  EXPECT_GT(summary.at("client_updates_per_second"), 0.0);
  const auto model = ReadModelFile(out_ + "/model.tern");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->version, 1u);
  // The configuration of a run starts the same run again.
  EXPECT_EQ(Run({"--config", out_ + "/config.yaml", "--check", "--insecure"}), 0);
  EXPECT_EQ(output_, Read(out_ + "/config.yaml") + "ok\n");
}

TEST_F(TernServerTest, Sigint_BeforeAnyRound_LeavesTheInitialModel) {
  const auto server = StartServing();
  server->ReadLine();
  server->Signal(SIGINT);
  EXPECT_EQ(server->Wait(output_), 0);
  EXPECT_THAT(output_, HasSubstr("stopped by SIGINT after round 0 of 2; "));
  EXPECT_THAT(ReadModelFile(out_ + "/model.tern"), IsOk());
  EXPECT_EQ(Read(out_ + "/metrics.jsonl"), "");
}

TEST_F(TernServerTest, ExitWhenDone_ExitsOnceTheDevicesKnow) {
  const auto server = StartServing({"--exit-when-done"});
  server->ReadLine();
  const auto transport = Connect();
  TakePart(*transport);
  TakePart(*transport);
  const auto reply = transport->CheckIn({.client_id = "device", .num_examples = 10});
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(std::holds_alternative<TaskFinished>(*reply));
  EXPECT_EQ(server->Wait(output_), 0);
  EXPECT_THAT(output_, HasSubstr("[round 2/2] "));
  EXPECT_THAT(output_, HasSubstr("\n2 rounds, 2 updates in "));
  EXPECT_THAT(output_, ::testing::Not(HasSubstr("stopped by")));
  EXPECT_EQ(nlohmann::json::parse(Read(out_ + "/summary.json")).at("rounds"), 2);
  EXPECT_THAT(Read(out_ + "/report.html"), HasSubstr("\"rounds\":[{\"round\":1,"));
}

TEST_F(TernServerTest, TaskThatIsDone_HasItsResultsWhileTheServerStays) {
  const auto server = StartServing();
  server->ReadLine();
  const auto transport = Connect();
  TakePart(*transport);
  TakePart(*transport);
  server->ReadLine();
  server->ReadLine();
  EXPECT_THAT(server->ReadLine(), StartsWith("2 rounds, 2 updates in "));
  EXPECT_EQ(nlohmann::json::parse(Read(out_ + "/summary.json")).at("rounds"), 2);
  const auto reply = transport->CheckIn({.client_id = "device", .num_examples = 10});
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(std::holds_alternative<TaskFinished>(*reply));
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(output_), 0);
}

TEST_F(TernServerTest, OutThatHoldsARun_IsRefused) {
  std::filesystem::create_directory(out_);
  ASSERT_THAT(WriteFileAtomically(out_ + "/summary.json", "mine"), IsOk());
  EXPECT_EQ(StartServing()->Wait(output_), 1);
  EXPECT_THAT(Errors(), HasSubstr(out_ + ": holds a run already (summary.json)"));
  EXPECT_EQ(Read(out_ + "/summary.json"), "mine");
  EXPECT_FALSE(std::filesystem::exists(port_file_));
}

TEST_F(TernServerTest, ResultsThatCannotBeWritten_ExitWith1) {
  const auto server = StartServing();
  server->ReadLine();
  std::filesystem::remove_all(out_);
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(output_), 1);
  EXPECT_THAT(Errors(), HasSubstr(absl::StrCat("\ntern-server: ", out_, "/model.tern")));
}

TEST_F(TernServerTest, PortInUse_IsSaidAndLeavesNoDirectory) {
  const auto first = StartServing();
  first->ReadLine();
  const std::string other = directory_ + "/other";
  EXPECT_EQ(Run({"--config", config_, "--insecure", "--out", other, "--listen",
                 absl::StrCat("127.0.0.1:", absl::StripAsciiWhitespace(Read(port_file_)))}),
            1);
  EXPECT_THAT(Errors(), HasSubstr("tern-server: cannot listen on 127.0.0.1:"));
  EXPECT_FALSE(std::filesystem::exists(other));
}

}  // namespace
}  // namespace tern::server
