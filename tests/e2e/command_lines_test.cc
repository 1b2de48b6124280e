// What a user types or writes wrong, and what the programs say to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/e2e/programs.h"

namespace tern::e2e {
namespace {

using ::tern::testing::ExitStatus;
using ::tern::testing::Finished;
using ::tern::testing::RunToEnd;
using ::tern::testing::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] = R"yaml(seed: 1
task:
  name: quickstart
  model: tiny_cnn
  num_rounds: 1
  codec: {up: "quantize(8)"
}
  evaluate: {every: 0}
)yaml";

struct Mistake {
  const char* name;
  std::vector<std::pair<std::string, std::string>> change;  // of the configuration
  int line;
  std::vector<std::string> said;
};

std::ostream& operator<<(std::ostream& out, const Mistake& mistake) { return out << mistake.name; }

std::vector<Mistake> Mistakes() {
  return {{"UnknownModel", {{"tiny_cnn", "tiny_cnm"}}, 4, {"task.model", "tiny_cnm", "lenet5"}},
          {"UnknownCodec",
           {{"quantize(8)", "quantise(8)"}},
           6,
           {"task.codec.up", "quantise", "quantize"}},
          {"CodecOutOfRange", {{"quantize(8)", "quantize(99)"}}, 6, {"task.codec.up", "99"}},
          {"UnknownField",
           {{"num_rounds", "num_roundz"}},
           5,
           {"task.num_roundz", "did you mean num_rounds"}},
          {"WrongType", {{"num_rounds: 1", "num_rounds: one"}}, 5, {"task.num_rounds", "'one'"}},
          {"OutOfRange", {{"num_rounds: 1", "num_rounds: 0"}}, 5, {"task.num_rounds", "0"}},
          {"MalformedYaml", {{"{up:", "{up"}}, 6, {}}};
}

class ConfigMistakes : public ::testing::TestWithParam<Mistake> {
 protected:
  // The program must fail and name file, line and field.
  void ExpectSaid(const std::vector<std::string>& command) {
    const Finished finished = RunToEnd(command);
    EXPECT_EQ(finished.exit, ExitStatus{.code = 1}) << finished.output;
    EXPECT_THAT(finished.output, HasSubstr(absl::StrCat(path_, ":", GetParam().line)));
    for (const std::string& part : GetParam().said) {
      EXPECT_THAT(finished.output, HasSubstr(part));
    }
  }

  void SetUp() override {
    path_ = directory_.File("config.yaml");
    WriteFile(path_, absl::StrReplaceAll(kConfig, GetParam().change));
  }

  TemporaryDirectory directory_;
  std::string path_;
};

TEST_P(ConfigMistakes, Server_NamesFileLineAndField) {
  ExpectSaid({Program("tern-server"), "--config", path_, "--check"});
}

TEST_P(ConfigMistakes, Simulator_NamesFileLineAndField) {
  ExpectSaid({Program("tern-sim"), "run", path_, "--out", directory_.File("out")});
  EXPECT_FALSE(std::filesystem::exists(directory_.File("out")));
}

INSTANTIATE_TEST_SUITE_P(All, ConfigMistakes, ::testing::ValuesIn(Mistakes()),
                         [](const auto& mistake) { return std::string(mistake.param.name); });

// What a simulation cannot do, found before anything is trained.
struct Impossibility {
  const char* name;
  std::pair<std::string, std::string> change;  // of kSimulation
  std::vector<std::string> said;
};

std::ostream& operator<<(std::ostream& out, const Impossibility& impossibility) {
  return out << impossibility.name;
}

constexpr char kSimulation[] = R"yaml(seed: 1
data: {name: fashion_mnist, partition: {kind: iid, num_clients: 20}}
population:
  - {profile: laptop, fraction: 0.5}
  - {profile: phone_low, fraction: 0.5}
task:
  model: tiny_cnn
  num_rounds: 1
  round: {cohort_size: 5}
  evaluate: {every: 0}
)yaml";

std::vector<Impossibility> Impossibilities() {
  return {{"UnknownProfile",
           {"laptop", "laptob"},
           {"no device profile 'laptob'", "cortex_m7", "raspberry_pi_4", "laptop"}},
          {"UnknownNetwork",
           {"profile: laptop,", "profile: laptop, network: 7g,"},
           {"no network profile '7g'", "wifi"}},
          {"FractionsThatDoNotAddUp",
           {"laptop, fraction: 0.5", "laptop, fraction: 0.4"},
           {"config.yaml:3: population", "add up to 0.9, expected 1"}},
          {"FractionOfNoDevice",
           {"0.5}\n  - {profile: phone_low, fraction: 0.5",
            "0.99}\n  - {profile: phone_low, fraction: 0.01"},
           {"population: the fraction 0.01 of 'phone_low' is no device of 20"}},
          {"MoreExamplesThanThereAre",
           {"kind: iid", "kind: dirichlet, min_examples: 3001"},
           {"data.partition.min_examples is 3001", "at most 3000"}},
          {"MoreClassesThanThereAre",
           {"kind: iid", "kind: classes, classes_per_client: 11"},
           {"data.partition.classes_per_client is 11", "10 classes"}},
          {"LargerCohortThanPopulation",
           {"cohort_size: 5", "cohort_size: 21"},
           {"task.round selects 21 clients", "20"}},
          {"MalformedTrace",
           {"laptop, fraction: 0.5",
            "laptop, fraction: 0.5, availability: {kind: trace, file: DIRECTORY/trace.csv}"},
           {"trace.csv:3: expected client,start_s,end_s, got '1,5'"}}};
}

// A directory with this configuration, and a trace whose third line is broken.
class Simulation : public ::testing::Test {
 protected:
  void Write(const std::pair<std::string, std::string>& change) {
    WriteFile(directory_.File("config.yaml"),
              absl::StrReplaceAll(absl::StrReplaceAll(kSimulation, {change}),
                                  {{"DIRECTORY", directory_.path()}}));
    WriteFile(directory_.File("trace.csv"), "client,start_s,end_s\n0,0,10\n1,5\n");
  }

  std::string config() const { return directory_.File("config.yaml"); }
  std::string out() const { return directory_.File("out"); }

  TemporaryDirectory directory_;
};

class ImpossibleSimulation : public Simulation,
                             public ::testing::WithParamInterface<Impossibility> {};

TEST_P(ImpossibleSimulation, Run_SaysWhyAndLeavesNoRunBehind) {
  Write(GetParam().change);
  const Finished finished = RunToEnd({Program("tern-sim"), "run", config(), "--out", out()});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1}) << finished.output;
  for (const std::string& part : GetParam().said) EXPECT_THAT(finished.output, HasSubstr(part));
  EXPECT_THAT(finished.output, Not(HasSubstr("[round")));
  EXPECT_FALSE(std::filesystem::exists(out()));
}

INSTANTIATE_TEST_SUITE_P(All, ImpossibleSimulation, ::testing::ValuesIn(Impossibilities()),
                         [](const auto& param) { return std::string(param.param.name); });

constexpr char kTooSmall[] = "the smallest plan (width 1, batch size 10, codec 'none') needs ";

// None of the devices can train the model.
class TinyDevices : public Simulation {
 protected:
  void SetUp() override { Write({"fraction: 0.5", "fraction: 0.5, ram_bytes: 1000"}); }
};

TEST_F(TinyDevices, Run_FailsWithTheNumbersOfEachClass) {
  const Finished finished = RunToEnd({Program("tern-sim"), "run", config(), "--out", out()});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1}) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("of 20 devices can take part, a round needs 5"));
  EXPECT_THAT(finished.output, HasSubstr(absl::StrCat("laptop, wifi, 1.0 kB: ", kTooSmall)));
  EXPECT_THAT(finished.output, HasSubstr(absl::StrCat("phone_low, 3g, 1.0 kB: ", kTooSmall)));
  EXPECT_THAT(finished.output, HasSubstr("bytes of memory, the device offers 1000"));
  EXPECT_THAT(finished.output, Not(HasSubstr("[round")));
  EXPECT_FALSE(std::filesystem::exists(out()));
}

// It was asked for what the coordinator would say, and that is it.
TEST_F(TinyDevices, Plan_SucceedsWithTheReason) {
  const Finished finished = RunToEnd({Program("tern-sim"), "plan", config()});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr(absl::StrCat("refused: ", kTooSmall)));
}

TEST_F(TinyDevices, MemoryOfPlansThatNobodyGets_CannotBeShown) {
  const Finished finished = RunToEnd({Program("tern-sim"), "plan", config(), "--memory"});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1}) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("no class gets a plan whose memory could be shown"));
}

class PlanMemory : public Simulation {
 protected:
  void SetUp() override { Write({"fraction: 0.5", "fraction: 0.5"}); }
};

TEST_F(PlanMemory, WithAFile_IsDrawnThere_BeforeOrBehindTheConfiguration) {
  const std::string file = directory_.File("memory.svg");
  for (const bool before : {false, true}) {
    std::vector<std::string> arguments = {Program("tern-sim"), "plan", "--memory", file};
    arguments.insert(before ? arguments.end() : arguments.begin() + 2, config());
    const Finished finished = RunToEnd(arguments);
    EXPECT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
    EXPECT_THAT(finished.output, HasSubstr("Memory of the plan with width 1, batch 10, codec "));
    EXPECT_THAT(finished.output, HasSubstr(absl::StrCat(file, " written")));
    EXPECT_TRUE(std::filesystem::remove(file));
  }
}

TEST_F(PlanMemory, WithoutAFile_IsShownOnly) {
  const Finished finished = RunToEnd({Program("tern-sim"), "plan", "--memory", config()});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("conv1 output"));
  EXPECT_THAT(finished.output, Not(HasSubstr("written")));
}

TEST_F(PlanMemory, FileThatIsNoSvgOrCannotBeWritten_IsAnError) {
  const Finished other = RunToEnd({Program("tern-sim"), "plan", config(), "--memory", "a.png"});
  EXPECT_EQ(other.exit, ExitStatus{.code = 2}) << other.output;
  EXPECT_THAT(other.output, HasSubstr("give it a name in .svg"));
  const std::string nowhere = directory_.File("nowhere/a.svg");
  const Finished finished = RunToEnd({Program("tern-sim"), "plan", config(), "--memory", nowhere});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1}) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr(absl::StrCat(nowhere, ": No such file or directory")));
}

TEST(CommandLines, Report_OfADirectoryThatIsNoRun_SaysSo) {
  const TemporaryDirectory directory;
  const std::string empty = directory.path();
  const Finished of_empty = RunToEnd({Program("tern-sim"), "report", empty});
  EXPECT_EQ(of_empty.exit, ExitStatus{.code = 1});
  EXPECT_THAT(of_empty.output, HasSubstr(absl::StrCat(empty, ": holds no run (metrics.jsonl")));
  EXPECT_FALSE(std::filesystem::exists(directory.File("report.html")));

  const Finished of_nothing = RunToEnd({Program("tern-sim"), "report", directory.File("none")});
  EXPECT_EQ(of_nothing.exit, ExitStatus{.code = 1});
  EXPECT_THAT(of_nothing.output, HasSubstr("none: no such directory"));

  const Finished without = RunToEnd({Program("tern-sim"), "report"});
  EXPECT_EQ(without.exit, ExitStatus{.code = 2});
  EXPECT_THAT(without.output, HasSubstr("directories is required"));
}

TEST(CommandLines, Codec_MeasuresWhatItIsGiven_AndNamesMistakes) {
  const std::vector<std::string> command = {Program("tern-sim"), "codec", "--no-timing",
                                            "--count=1000"};
  const auto run = [&](const std::string& argument) {
    std::vector<std::string> arguments = command;
    arguments.push_back(argument);
    return RunToEnd(arguments);
  };
  const Finished good = run("rotate|eden(2)");
  EXPECT_EQ(good.exit, ExitStatus{.code = 0}) << good.output;
  EXPECT_THAT(good.output, HasSubstr("\nrotate|eden(2)  "));
  const Finished mistaken = run("eden(2)");
  EXPECT_EQ(mistaken.exit, ExitStatus{.code = 1});
  EXPECT_THAT(mistaken.output, HasSubstr("codec 'eden(2)': "));
  const Finished both = run("--update=file");
  EXPECT_EQ(both.exit, ExitStatus{.code = 2});
  EXPECT_THAT(both.output, HasSubstr("excludes"));
}

TEST(CommandLines, Server_AValidConfiguration_ChecksOut) {
  const TemporaryDirectory directory;
  WriteFile(directory.File("config.yaml"), kConfig);
  const Finished finished = RunToEnd(
      {Program("tern-server"), "--config", directory.File("config.yaml"), "--check", "--insecure"});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
}

TEST(CommandLines, Server_WithoutTlsAndWithoutInsecure_RefusesToStart) {
  const TemporaryDirectory directory;
  WriteFile(directory.File("config.yaml"), kConfig);
  const Finished finished =
      RunToEnd({Program("tern-server"), "--config", directory.File("config.yaml"), "--listen",
                "127.0.0.1:0", "--out", directory.File("out")});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1});
  EXPECT_THAT(finished.output, HasSubstr("--insecure"));
}

TEST(CommandLines, Server_OnAPortInUse_NamesTheAddress) {
  const TemporaryDirectory directory;
  const Server running(directory, kConfig);
  const Finished finished =
      RunToEnd({Program("tern-server"), "--config", directory.File("config.yaml"), "--listen",
                running.address(), "--out", directory.File("other"), "--insecure"});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1});
  EXPECT_THAT(finished.output, HasSubstr("cannot listen on " + running.address()));
}

TEST(CommandLines, Client_BadArguments_ExitsWithTwoAndSaysWhat) {
  struct Case {
    std::vector<std::string> arguments;
    const char* said;
  };
  const std::string server = "--server=127.0.0.1:9092";
  const std::string data = "--data=fashion_mnist:shard=0/300";
  const std::string id = "--client-id=client-0";
  const Case cases[] = {
      {{data, id}, "--server is required"},
      {{server, id}, "--data is required"},
      {{server, data}, "--client-id is required"},
      {{"--server=9092", data, id}, "server is '9092', expected HOST:PORT"},
      {{server, data, "--client-id=two words"}, "client id 'two words'"},
      {{server, "--data=cifar", id}, "no data set 'cifar'"},
      {{server, "--data=fashion_mnist:shard=3/3", id}, "shard is '3/3'"},
      {{server, data, id, "--insecure", "--tls-root=ca.crt"}, "--insecure excludes --tls-root"},
      {{server, data, id, "--tls-cert=me.crt"}, "--tls-cert requires --tls-key"},
      {{server, data, id, "--tls-root=/none/ca.crt"}, "/none/ca.crt: cannot be opened"},
      {{server, data, id, "--ram-mb=-1"}, "--ram-mb"},
      {{server, data, id, "--ram-mb=5", "--ram-kb=5"}, "--ram-mb excludes --ram-kb"},
      {{server, data, id, "--flops-per-second=nan"}, "'nan' is not a number above 0"},
      {{server, data, id, "--insecure", "--state-dir=/dev/null/x"}, "/dev/null/x: "},
      {{server, data, id, "--bogus"}, "--bogus"},
  };
  for (const Case& wrong : cases) {
    std::vector<std::string> command = {Program("tern-client")};
    command.insert(command.end(), wrong.arguments.begin(), wrong.arguments.end());
    const Finished finished = RunToEnd(command);
    EXPECT_EQ(finished.exit, ExitStatus{.code = 2}) << finished.output;
    EXPECT_THAT(finished.output, HasSubstr(wrong.said));
  }
}

TEST(CommandLines, Client_DataThatAreNotThere_NamesTheFile) {
  const Finished finished =
      RunToEnd({Program("tern-client"), "--server=127.0.0.1:9092", "--client-id=client-0",
                "--insecure", "--data=fashion_mnist:path=/none"});
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1});
  EXPECT_THAT(finished.output, HasSubstr("in /none"));
}

TEST(CommandLines, EveryProgram_TellsItsVersionAndExamples) {
  for (const char* name : {"tern-client", "tern-server", "tern-sim"}) {
    const Finished version = RunToEnd({Program(name), "--version"});
    EXPECT_EQ(version.exit, ExitStatus{.code = 0});
    EXPECT_THAT(version.output, HasSubstr(TERN_VERSION));
  }
  const std::vector<std::string> commands[] = {{Program("tern-client"), "--help"},
                                               {Program("tern-server"), "--help"},
                                               {Program("tern-sim"), "run", "--help"},
                                               {Program("tern-sim"), "codec", "--help"}};
  for (const std::vector<std::string>& command : commands) {
    const Finished help = RunToEnd(command);
    EXPECT_EQ(help.exit, ExitStatus{.code = 0});
    EXPECT_THAT(help.output, HasSubstr("Examples:")) << command[0];
  }
}

TEST(CommandLines, Client_TooSmallForThePlan_IsRefusedWithTheNumbers) {
  const TemporaryDirectory directory;
  Server server(directory, absl::StrReplaceAll(kConfig, {{"tiny_cnn", "mcmahan_cnn"}}));
  const Finished finished = RunToEnd(ClientCommand(
      {.address = server.address(), .num_shards = 300, .arguments = {"--insecure", "--ram-mb=1"}}));
  EXPECT_EQ(finished.exit, ExitStatus{.code = 1});
  EXPECT_THAT(finished.output, HasSubstr("refused by the coordinator"));
  EXPECT_THAT(finished.output, HasSubstr("1048576"));
}

}  // namespace
}  // namespace tern::e2e
