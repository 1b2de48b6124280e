#include "server/config/yaml_to_proto.h"

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "tern/v1/config.pb.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

class YamlToProtoTest : public ::testing::Test {
 protected:
  absl::Status Merge(absl::string_view yaml) {
    EXPECT_THAT(WriteFileAtomically(path_, yaml), IsOk());
    return MergeYamlFile(path_, &config_, &origins_);
  }

  // "study.yaml:7: WHAT", as the message reads.
  std::string At(int line, absl::string_view what) {
    return absl::StrCat(path_, ":", line, ": ", what);
  }

  const std::string path_ =
      absl::StrCat(::testing::TempDir(), "yaml_to_proto_", ::getpid(), ".yaml");
  v1::Config config_;
  FieldOrigins origins_;

  ~YamlToProtoTest() override { std::remove(path_.c_str()); }
};

TEST_F(YamlToProtoTest, MergeYamlFile_EveryKindOfValue_IsSet) {
  ASSERT_THAT(Merge("# a study\n"
                    "seed: 18446744073709551615\n"
                    "data:\n"
                    "  name: \"fashion_mnist\"\n"
                    "task:\n"
                    "  name: 7\n"
                    "  model:\n"
                    "    spec:\n"
                    "      input: [1, 28, 28]\n"
                    "      layers:\n"
                    "        - {name: flat, kind: flatten}\n"
                    "        - {name: fc, kind: dense, units: 10}\n"
                    "  train: {learning_rate: 1e-2}\n"
                    "  round: {over_selection: 1.5, deadline_s: 30}\n"),
              IsOk());
  EXPECT_EQ(config_.seed(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(config_.data().name(), "fashion_mnist");
  EXPECT_EQ(config_.task().name(), "7");
  const v1::ModelSpec& spec = config_.task().model().spec();
  EXPECT_THAT(spec.input(), ::testing::ElementsAre(1, 28, 28));
  ASSERT_EQ(spec.layers_size(), 2);
  EXPECT_EQ(spec.layers(0).kind(), v1::flatten);
  EXPECT_EQ(spec.layers(1).units(), 10);
  EXPECT_EQ(config_.task().train().learning_rate(), 0.01f);
  EXPECT_EQ(config_.task().round().over_selection(), 1.5);
  EXPECT_EQ(config_.task().round().deadline_s(), 30.0);
}

TEST_F(YamlToProtoTest, MergeYamlText_ErrorsBeginWithItsName) {
  EXPECT_THAT(MergeYamlText("seed: 5\n", "built in", &config_), IsOk());
  EXPECT_EQ(config_.seed(), 5u);
  EXPECT_THAT(MergeYamlText("seed: 5\nsead: 6\n", "built in", &config_),
              StatusIs(kInvalid, "built in:2: sead: unknown field; did you mean seed? "));
}

TEST_F(YamlToProtoTest, MergeYamlFile_Scalar_IsShorthandForModelAndData) {
  ASSERT_THAT(Merge("data: fashion_mnist\ntask: {model: lenet5}\n"), IsOk());
  EXPECT_EQ(config_.data().name(), "fashion_mnist");
  EXPECT_EQ(config_.task().model().zoo(), "lenet5");
}

TEST_F(YamlToProtoTest, MergeYamlFile_Origins_NameFileAndLine) {
  ASSERT_THAT(Merge("seed: 3\ntask:\n  model: lenet5\n"), IsOk());
  EXPECT_EQ(origins_["seed"], absl::StrCat(path_, ":1"));
  EXPECT_EQ(origins_["task.model"], absl::StrCat(path_, ":3"));
  EXPECT_EQ(origins_["task.model.zoo"], absl::StrCat(path_, ":3"));
  ASSERT_THAT(MergeOverride("seed=4", &config_, &origins_), IsOk());
  EXPECT_EQ(origins_["seed"], "--set seed=4");
}

TEST_F(YamlToProtoTest, MergeYamlFile_NothingUnderAMessage_LeavesDefaults) {
  ASSERT_THAT(Merge("seed: 5\nserver:\n"), IsOk());
  EXPECT_EQ(config_.server().listen(), "0.0.0.0:9092");
}

TEST_F(YamlToProtoTest, MergeYamlFile_UnknownField_ListsFieldsAndSuggestsOne) {
  EXPECT_THAT(
      Merge("seed: 1\ntask:\n  model: lenet5\n  rounds: 5\n"),
      StatusIs(kInvalid,
               At(4,
                  "task.rounds: unknown field; did you mean num_rounds? fields of Task: name, "
                  "model, num_rounds, train, codec, strategy, round, evaluate")));
  EXPECT_THAT(Merge("sead: 1\n"),
              StatusIs(kInvalid, At(1,
                                    "sead: unknown field; did you mean seed? fields of Config: "
                                    "seed, data, task, server")));
  const absl::Status far = Merge("telemetry: []\n");
  EXPECT_THAT(far, StatusIs(kInvalid, At(1, "telemetry: unknown field; fields of Config: ")));
}

struct IllTyped {
  const char* yaml;
  int line;
  const char* message;
};

class IllTypedTest : public YamlToProtoTest, public ::testing::WithParamInterface<IllTyped> {};

TEST_P(IllTypedTest, MergeYamlFile_IllTypedField_NamesFileLineAndField) {
  EXPECT_THAT(Merge(GetParam().yaml), StatusIs(kInvalid, At(GetParam().line, GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Values, IllTypedTest,
    ::testing::Values(
        IllTyped{"task:\n  num_rounds: many\n", 2,
                 "task.num_rounds: expected an integer, got 'many'"},
        IllTyped{"task:\n  num_rounds: 2.5\n", 2,
                 "task.num_rounds: expected an integer, got '2.5'"},
        IllTyped{"task:\n  num_rounds: '20'\n", 2,
                 "task.num_rounds: expected an integer, got '20'"},
        IllTyped{"task:\n  num_rounds:\n  name: x\n", 2,
                 "task.num_rounds: expected an integer, got nothing"},
        IllTyped{"task:\n  num_rounds: [1]\n", 2,
                 "task.num_rounds: expected an integer, got a list"},
        IllTyped{"task:\n  num_rounds: 9223372036854775808\n", 2,
                 "task.num_rounds: expected an integer from -9223372036854775808 to "
                 "9223372036854775807, got '9223372036854775808'"},
        IllTyped{"seed: -1\n", 1,
                 "seed: expected an integer from 0 to 18446744073709551615, got '-1'"},
        IllTyped{"task: {train: {learning_rate: fast}}\n", 1,
                 "task.train.learning_rate: expected a finite number, got 'fast'"},
        IllTyped{"task: {train: {learning_rate: .nan}}\n", 1,
                 "task.train.learning_rate: expected a finite number, got '.nan'"},
        IllTyped{
            "task: {train: {learning_rate: nan}}\n", 1,
            "task.train.learning_rate: expected a finite number, at most 3.40282e+38, got 'nan'"},
        IllTyped{
            "task: {train: {learning_rate: 1e39}}\n", 1,
            "task.train.learning_rate: expected a finite number, at most 3.40282e+38, got '1e39'"},
        IllTyped{
            "task: {round: {deadline_s: -1e999}}\n", 1,
            "task.round.deadline_s: expected a finite number, at most 1.79769e+308, got '-1e999'"},
        IllTyped{"task:\n  train:\n    memory: tiny\n", 3,
                 "task.train.memory: expected one of fast, small, got 'tiny'"},
        IllTyped{"task:\n  train:\n    loss:\n      kind: hinge\n", 4,
                 "task.train.loss.kind: expected one of softmax_cross_entropy, "
                 "binary_cross_entropy, mse, got 'hinge'"},
        IllTyped{"task:\n  train:\n    update: {frozen: [fc1]}\n", 3,
                 "task.train.update.frozen: unknown field; did you mean frozen_layers? fields of "
                 "Update: frozen_layers, last_layers, biases_only, channels"},
        IllTyped{"task:\n  train:\n    update: {frozen_layers: fc1}\n", 3,
                 "task.train.update.frozen_layers: expected a list, got 'fc1'"},
        IllTyped{"task:\n  train: {loss: mse}\n", 2,
                 "task.train.loss: expected a mapping with fields of kind, label_smoothing, "
                 "only_present_classes, got 'mse'"},
        IllTyped{"task: {name: [a]}\n", 1, "task.name: expected text, got a list"},
        IllTyped{"task: {name: }\n", 1, "task.name: expected text ('' for none), got nothing"},
        IllTyped{"task: {name: \"\xff\"}\n", 1,
                 "task.name: expected text in UTF-8, got other bytes"},
        IllTyped{"task: lenet5\n", 1,
                 "task: expected a mapping with fields of name, model, num_rounds, train, codec, "
                 "strategy, round, evaluate, adapt, got 'lenet5'"},
        IllTyped{"task:\n  model: {spec: {layers: {}}}\n", 2,
                 "task.model.spec.layers: expected a list, got a mapping"},
        IllTyped{"task:\n  model:\n    spec:\n      layers:\n      - {kind: relu}\n"
                 "      - {kind: conv3d}\n",
                 6,
                 "task.model.spec.layers[1].kind: expected one of dense, conv2d, max_pool2d, relu, "
                 "flatten, scale, avg_pool2d, global_avg_pool2d, relu6, got 'conv3d'"},
        IllTyped{"task:\n  model:\n    spec:\n      input: [1,\n        x]\n", 5,
                 "task.model.spec.input[1]: expected an integer, got 'x'"}));

TEST_F(YamlToProtoTest, MergeYamlFile_LongValue_IsQuotedInPart) {
  const absl::Status status = Merge(absl::StrCat("seed: ", std::string(500, 'x')));
  EXPECT_THAT(status, StatusIs(kInvalid, absl::StrCat("got '", std::string(60, 'x'), "...'")));
}

TEST_F(YamlToProtoTest, MergeYamlFile_DuplicateKey_IsRefused) {
  EXPECT_THAT(Merge("seed: 1\ntask: {}\nseed: 2\n"),
              StatusIs(kInvalid, At(3, "seed: given twice; expected once")));
}

TEST_F(YamlToProtoTest, MergeYamlFile_OneofGivenTwice_IsRefused) {
  EXPECT_THAT(
      Merge("task:\n  model:\n    zoo: lenet5\n    file: x.tern\n"),
      StatusIs(kInvalid, At(4, "task.model.file: given besides zoo; expected one of the two")));
}

TEST_F(YamlToProtoTest, MergeYamlFile_KeyThatIsNoName_IsRefused) {
  EXPECT_THAT(Merge("task:\n  [a, b]: 1\n"),
              StatusIs(kInvalid, At(2, "task.?: expected a field's name, got a list")));
}

TEST_F(YamlToProtoTest, MergeYamlFile_MalformedYaml_NamesLineAndColumn) {
  EXPECT_THAT(Merge("seed: 1\ntask: {name: x\nseed: 2\n"),
              StatusIs(kInvalid, absl::StrCat(path_, ":")));
  EXPECT_THAT(Merge("seed: 1\n  bad: x\n"),
              StatusIs(kInvalid, absl::StrCat(path_, ":2:6: malformed YAML: ")));
  EXPECT_THAT(Merge("task: *nowhere\n"), StatusIs(kInvalid, "malformed YAML"));
}

TEST_F(YamlToProtoTest, MergeYamlFile_DeepNesting_IsRefused) {
  EXPECT_THAT(Merge(std::string(100000, '[')), StatusIs(kInvalid, path_));
}

TEST_F(YamlToProtoTest, MergeYamlFile_NotOneMapping_IsRefused) {
  EXPECT_THAT(Merge("- seed\n"), StatusIs(kInvalid,
                                          "expected a mapping with fields of seed, data, "
                                          "task, server, population, simulation, got a list"));
  EXPECT_THAT(Merge("hello\n"), StatusIs(kInvalid, "got 'hello'"));
  EXPECT_THAT(Merge(""), StatusIs(kInvalid, "got nothing"));
  EXPECT_THAT(Merge("# only a comment\n"), StatusIs(kInvalid, "got nothing"));
  EXPECT_THAT(Merge("seed: 1\n---\nseed: 2\n"), StatusIs(kInvalid, "got several documents"));
}

TEST_F(YamlToProtoTest, MergeYamlFile_NoSuchFile_IsNotFound) {
  EXPECT_THAT(MergeYamlFile("no/such.yaml", &config_),
              StatusIs(absl::StatusCode::kNotFound, "no/such.yaml"));
}

TEST_F(YamlToProtoTest, MergeYamlFile_Directory_SaysSo) {
  EXPECT_THAT(MergeYamlFile(::testing::TempDir(), &config_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "is a directory, expected a file"));
}

TEST_F(YamlToProtoTest, MergeYamlFile_LongFile_IsRefused) {
  EXPECT_THAT(Merge(std::string(2 << 20, '#')),
              StatusIs(absl::StatusCode::kResourceExhausted, "is longer than 1048576 bytes"));
}

TEST_F(YamlToProtoTest, MergeYamlFile_BoolsAndSmallIntegers_AreCheckedToo) {
  google::protobuf::FieldDescriptorProto field;
  ASSERT_THAT(WriteFileAtomically(path_,
                                  "number: 2147483647\noptions: {packed: true}\n"
                                  "label: LABEL_REPEATED\n"),
              IsOk());
  ASSERT_THAT(MergeYamlFile(path_, &field), IsOk());
  EXPECT_EQ(field.number(), 2147483647);
  EXPECT_TRUE(field.options().packed());
  EXPECT_EQ(field.label(), google::protobuf::FieldDescriptorProto::LABEL_REPEATED);
  EXPECT_THAT(MergeOverride("number=2147483648", &field),
              StatusIs(kInvalid, "number: expected an integer from -2147483648 to 2147483647"));
  EXPECT_THAT(MergeOverride("options.packed=yes", &field),
              StatusIs(kInvalid, "options.packed: expected true or false, got 'yes'"));
}

TEST_F(YamlToProtoTest, MergeOverride_ReplacesValuesAndLists) {
  ASSERT_THAT(Merge("task: {num_rounds: 3, model: {spec: {input: [1, 2, 3]}}}\n"), IsOk());
  ASSERT_THAT(MergeOverride("task.num_rounds=5", &config_), IsOk());
  ASSERT_THAT(MergeOverride("task.model.spec.input=[784]", &config_), IsOk());
  ASSERT_THAT(MergeOverride("task.codec.up=quantize(8)", &config_), IsOk());
  ASSERT_THAT(MergeOverride("task.name=a=b", &config_), IsOk());
  ASSERT_THAT(MergeOverride("data.path=''", &config_), IsOk());
  EXPECT_EQ(config_.task().num_rounds(), 5);
  EXPECT_THAT(config_.task().model().spec().input(), ::testing::ElementsAre(784));
  EXPECT_EQ(config_.task().codec().up(), "quantize(8)");
  EXPECT_EQ(config_.task().name(), "a=b");
  EXPECT_EQ(config_.data().path(), "");
}

TEST_F(YamlToProtoTest, MergeOverride_OfAnotherModelSource_ReplacesTheFirst) {
  ASSERT_THAT(Merge("task: {model: lenet5}\n"), IsOk());
  ASSERT_THAT(MergeOverride("task.model.file=x.tern", &config_), IsOk());
  EXPECT_EQ(config_.task().model().source_case(), v1::Model::kFile);
  ASSERT_THAT(MergeOverride("task.model=mlp", &config_), IsOk());
  EXPECT_EQ(config_.task().model().zoo(), "mlp");
}

TEST_F(YamlToProtoTest, MergeOverride_Wrong_NamesTheAssignment) {
  const auto merge = [&](const char* assignment) { return MergeOverride(assignment, &config_); };
  EXPECT_THAT(merge("task.num_rounds"), StatusIs(kInvalid,
                                                 "--set task.num_rounds: expected "
                                                 "FIELD=VALUE, such as "));
  EXPECT_THAT(merge("=5"), StatusIs(kInvalid, "--set =5: expected FIELD=VALUE"));
  EXPECT_THAT(merge("task.num_rounds="),
              StatusIs(kInvalid, "--set task.num_rounds=: expected a value after '='"));
  EXPECT_THAT(merge("task.num_rounds=many"),
              StatusIs(kInvalid,
                       "--set task.num_rounds=many: task.num_rounds: expected an "
                       "integer, got 'many'"));
  EXPECT_THAT(merge("task.num_rounds.x=1"),
              StatusIs(kInvalid, "task.num_rounds: expected an integer, got a mapping"));
  EXPECT_THAT(merge("task..name=x"), StatusIs(kInvalid, "task.: unknown field; "));
  EXPECT_THAT(merge("tusk.name=x"), StatusIs(kInvalid, "tusk: unknown field; did you mean task? "));
  EXPECT_THAT(merge("task.name=[x"), StatusIs(kInvalid, "--set task.name=[x: malformed YAML: "));
}

// Whatever the bytes, reading ends with a status that names the file.
TEST_F(YamlToProtoTest, MergeYamlFile_DamagedFiles_NeverCrash) {
  const std::string good =
      "seed: 1\ndata: {name: a, path: [}\ntask: &t\n  model: {spec: {input: [1, 2], layers:\n"
      "   - {name: x, kind: dense}}}\n  name: |\n    text\nserver: *t\n? x\n: y\n";
  for (size_t length = 0; length < good.size(); ++length) {
    for (const char byte : {'\0', '\xff', '{', ']', '&', '*', '!', '%', '\t', '-'}) {
      std::string damaged = good.substr(0, length + 1);
      damaged[length] = byte;
      v1::Config config;
      ASSERT_THAT(WriteFileAtomically(path_, damaged), IsOk());
      const absl::Status status = MergeYamlFile(path_, &config);
      if (status.ok()) continue;
      EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
    }
  }
}

}  // namespace
}  // namespace tern::server
