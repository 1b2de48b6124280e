#include "server/config/load_config.h"

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/model/parameter_layout.h"
#include "core/model/zoo.h"
#include "core/wire/model_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;

class LoadConfigTest : public ::testing::Test {
 protected:
  ~LoadConfigTest() override {
    std::remove(path_.c_str());
    std::remove(model_path_.c_str());
  }

  absl::StatusOr<LoadedConfig> Load(absl::string_view yaml,
                                    const std::vector<std::string>& overrides = {}) {
    EXPECT_THAT(WriteFileAtomically(path_, yaml), IsOk());
    return LoadConfig(path_, overrides);
  }

  // Of a configuration that is right but for `task_field` in line 3.
  absl::Status ErrorOf(absl::string_view task_field) {
    return Load(absl::StrCat("task:\n  model: lenet5\n  ", task_field, "\n")).status();
  }
  std::string Line3(absl::string_view what) { return absl::StrCat(path_, ":3: ", what); }

  const std::string path_ = absl::StrCat(::testing::TempDir(), "load_config_", ::getpid(), ".yaml");
  const std::string model_path_ = path_ + ".tern";
};

TEST_F(LoadConfigTest, ModelWidth_MakesASmallModelOfItsOwn) {
  const auto config = Load("task: {model: {zoo: mlp_200_200, width: 0.25}}\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(MakeParameterLayout(config->task.model)->size, 785 * 50 + 51 * 50 + 51 * 10);
  EXPECT_EQ(config->task.model.layers.size(), ZooModel("mlp_200_200")->layers.size());
  EXPECT_THAT(Load("task:\n  model: {zoo: lenet5,\n    width: 1.5}\n").status(),
              StatusIs(kInvalid, Line3("task.model.width: width of a submodel is 1.5")));
}

TEST_F(LoadConfigTest, ShortestConfig_HasTheDefaultsOfTheSchema) {
  const auto config = Load("task: {model: lenet5}\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->seed, 1u);
  EXPECT_EQ(config->data.name, "fashion_mnist");
  EXPECT_EQ(config->data.path, "");
  EXPECT_EQ(config->partition.kind, "iid");
  EXPECT_EQ(config->num_clients, 10);
  EXPECT_EQ(config->task.name, "task");
  EXPECT_EQ(config->task.model, *ZooModel("lenet5"));
  EXPECT_TRUE(config->task.initial_parameters.empty());
  EXPECT_EQ(config->task.num_rounds, 20);
  EXPECT_EQ(config->task.train, TrainOptions());
  EXPECT_EQ(config->task.codec_up, "none");
  EXPECT_EQ(config->task.round.cohort_size, 10);
  EXPECT_EQ(config->task.round.deadline, absl::Seconds(600));
  EXPECT_EQ(config->evaluate_every, 1);
  EXPECT_EQ(config->server.listen, "0.0.0.0:9092");
  EXPECT_EQ(config->server.certificate_file, "");
}

TEST_F(LoadConfigTest, EveryField_ReachesItsPlace) {
  const auto config = Load(
      "seed: 9\n"
      "data: {name: fashion_mnist, path: /data, partition: {kind: dirichlet, num_clients: 7,\n"
      "  alpha: 0.25, min_examples: 3, shards_per_client: 4, classes_per_client: 5}}\n"
      "task:\n"
      "  name: all\n"
      "  model: lenet5\n"
      "  num_rounds: 3\n"
      "  train: {local_epochs: 2, batch_size: 5, learning_rate: 0.5, momentum: 0.9,\n"
      "          nesterov: true, weight_decay: 0.01, clip_norm: 3, clip_value: 4,\n"
      "          proximal_mu: 0.02, micro_batch_size: 2, memory: small, precision: fp32,\n"
      "          update: {frozen_layers: [conv1, fc1], last_layers: 4, biases_only: true,\n"
      "                   channels: 0.5},\n"
      "          loss: {kind: softmax_cross_entropy, label_smoothing: 0.1,\n"
      "                 only_present_classes: true}}\n"
      "  codec: {up: quantize(8), down: none}\n"
      "  strategy: {aggregator: mean, optimizer: fedavg, learning_rate: 0.5, max_update_abs: 2,\n"
      "             max_num_examples: 99}\n"
      "  round: {cohort_size: 6, over_selection: 1.5, min_updates: 4, min_available: 8,\n"
      "          deadline_s: 1.5}\n"
      "  evaluate: {every: 2}\n"
      "server:\n"
      "  listen: \"[::1]:0\"\n"
      "  tls: {certificate: c.pem, private_key: k.pem, client_ca: ca.pem}\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->seed, 9u);
  EXPECT_EQ(config->data.path, "/data");
  EXPECT_EQ(config->num_clients, 7);
  EXPECT_EQ(config->partition.ToString(), "dirichlet(0.25)");
  EXPECT_EQ(config->partition.min_examples, 3);
  EXPECT_EQ(config->partition.shards_per_client, 4);
  EXPECT_EQ(config->partition.classes_per_client, 5);
  const Task& task = config->task;
  EXPECT_EQ(task.name, "all");
  EXPECT_EQ(task.seed, 9u);
  EXPECT_EQ(task.num_rounds, 3);
  EXPECT_EQ(task.train, (TrainOptions{.local_epochs = 2,
                                      .batch_size = 5,
                                      .learning_rate = 0.5f,
                                      .momentum = 0.9f,
                                      .nesterov = true,
                                      .weight_decay = 0.01f,
                                      .clip_norm = 3.0f,
                                      .clip_value = 4.0f,
                                      .proximal_mu = 0.02f,
                                      .micro_batch_size = 2,
                                      .memory = MemoryMode::kSmall,
                                      .scope = {.frozen_layers = {"conv1", "fc1"},
                                                .last_layers = 4,
                                                .biases_only = true,
                                                .channels = 0.5f},
                                      .loss = {.label_smoothing = 0.1f},
                                      .only_present_classes = true}));
  EXPECT_EQ(task.codec_up, "quantize(8)");
  EXPECT_EQ(task.aggregator.name, "mean");
  EXPECT_EQ(task.optimizer.name, "fedavg");
  EXPECT_EQ(task.optimizer.learning_rate, 0.5f);
  EXPECT_EQ(task.max_update_abs, 2.0f);
  EXPECT_EQ(task.max_num_examples, 99);
  EXPECT_EQ(task.round.cohort_size, 6);
  EXPECT_EQ(task.round.over_selection, 1.5);
  EXPECT_EQ(task.round.min_updates, 4);
  EXPECT_EQ(task.round.min_available, 8);
  EXPECT_EQ(task.round.deadline, absl::Milliseconds(1500));
  EXPECT_EQ(config->evaluate_every, 2);
  EXPECT_EQ(config->server.listen, "[::1]:0");
  EXPECT_EQ(config->server.certificate_file, "c.pem");
  EXPECT_EQ(config->server.private_key_file, "k.pem");
  EXPECT_EQ(config->server.client_ca_file, "ca.pem");
}

TEST_F(LoadConfigTest, ResolvedYaml_LoadsToTheSameConfiguration) {
  const auto config =
      Load("task: {model: lenet5, round: {deadline_s: 0.1}}\n", {"task.num_rounds=3"});
  ASSERT_THAT(config, IsOk());
  const auto again = Load(config->resolved_yaml);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->resolved_yaml, config->resolved_yaml);
  EXPECT_EQ(again->config_hash, config->config_hash);
  EXPECT_EQ(again->task.num_rounds, 3);
  EXPECT_EQ(config->config_hash.size(), 64u);
}

TEST_F(LoadConfigTest, ConfigHash_IsOfTheValuesNotOfTheText) {
  const auto plain = Load("task: {model: lenet5}\n");
  const auto written_out = Load("# words\nseed: 1\ntask:\n  model: {zoo: lenet5}\n");
  const auto other = Load("seed: 2\ntask: {model: lenet5}\n");
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(written_out, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(plain->config_hash, written_out->config_hash);
  EXPECT_NE(plain->config_hash, other->config_hash);
}

TEST_F(LoadConfigTest, ModelFile_BringsItsParameters) {
  const ModelSpec spec = *ZooModel("lenet5");
  const std::vector<float> parameters = InitialParameters(*MakeParameterLayout(spec), 5);
  ASSERT_THAT(WriteModelFile(model_path_, {spec, 3, parameters}), IsOk());
  const auto config = Load(absl::StrCat("task: {model: {file: ", model_path_, "}}\n"));
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->task.model, spec);
  EXPECT_EQ(config->task.initial_parameters, parameters);
}

TEST_F(LoadConfigTest, ModelSpec_IsWrittenOut) {
  const auto config = Load(
      "task:\n  model:\n    spec:\n      name: tiny\n      input: [4]\n      layers:\n"
      "        - {name: fc, kind: dense, units: 3}\n");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->task.model,
            (ModelSpec{.name = "tiny",
                       .input = {4},
                       .layers = {{.name = "fc", .kind = LayerKind::kDense, .units = 3}}}));
}

TEST_F(LoadConfigTest, NoModel_SaysWhatToGive) {
  EXPECT_THAT(Load("seed: 1\n"),
              StatusIs(kInvalid, absl::StrCat(path_,
                                              ": task.model is not given, expected a model "
                                              "of the zoo (")));
}

TEST_F(LoadConfigTest, ModelThatDoesNotExist_NamesTheField) {
  EXPECT_THAT(Load("task:\n  model: lenet6\n"),
              StatusIs(absl::StatusCode::kNotFound, absl::StrCat(path_, ":2: task.model.zoo: ")));
  EXPECT_THAT(Load("task:\n  model: {file: no/such.tern}\n"),
              StatusIs(absl::StatusCode::kNotFound,
                       absl::StrCat(path_, ":2: task.model.file: no/such.tern")));
  EXPECT_THAT(Load("task:\n  model: {spec: {input: [4]}}\n"),
              StatusIs(kInvalid, absl::StrCat(path_, ":2: task.model")));
}

TEST_F(LoadConfigTest, ModelFileThatIsNone_NamesTheField) {
  ASSERT_THAT(WriteFileAtomically(model_path_, "not a model"), IsOk());
  const auto config = Load(absl::StrCat("task:\n  model: {file: ", model_path_, "}\n"));
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(std::string(config.status().message()),
              ::testing::StartsWith(absl::StrCat(path_, ":2: task.model.file: ", model_path_)));
}

TEST_F(LoadConfigTest, WhatThisVersionCannotDo_IsRefused) {
  EXPECT_THAT(
      ErrorOf("train: {precision: fp16}"),
      StatusIs(kUnimplemented, Line3("task.train.precision is fp16; this version has only fp32")));
  EXPECT_THAT(ErrorOf("codec: {down: quantize(8)}"),
              StatusIs(kUnimplemented,
                       Line3("task.codec.down is quantize(8); this version has only none")));
}

TEST_F(LoadConfigTest, ValueOutOfRange_NamesFileLineAndField) {
  EXPECT_THAT(ErrorOf("num_rounds: 0"), StatusIs(kInvalid, Line3("task.num_rounds is 0, ")));
  EXPECT_THAT(ErrorOf("train: {momentum: 1}"),
              StatusIs(kInvalid, Line3("task.train: momentum is 1, ")));
  EXPECT_THAT(ErrorOf("train: {nesterov: true}"),
              StatusIs(kInvalid, Line3("task.train: nesterov is true, ")));
  EXPECT_THAT(ErrorOf("train: {weight_decay: -1}"),
              StatusIs(kInvalid, Line3("task.train: weight_decay is -1, ")));
  EXPECT_THAT(ErrorOf("train: {clip_norm: -1}"),
              StatusIs(kInvalid, Line3("task.train: clip_norm is -1, ")));
  EXPECT_THAT(ErrorOf("train: {clip_value: 1e7}"),
              StatusIs(kInvalid, Line3("task.train: clip_value is 1e+07, ")));
  EXPECT_THAT(ErrorOf("train: {proximal_mu: 10, learning_rate: 0.1}"),
              StatusIs(kInvalid, Line3("task.train: learning_rate is 0.1, ")));
  EXPECT_THAT(ErrorOf("round: {cohort_size: 0}"),
              StatusIs(kInvalid, Line3("task.round.cohort_size is 0, ")));
  EXPECT_THAT(ErrorOf("round: {deadline_s: 1e300}"),
              StatusIs(kInvalid, Line3("task.round.deadline_s is ")));
  EXPECT_THAT(ErrorOf("codec: {up: squeeze}"), StatusIs(kInvalid, Line3("task.codec.up: ")));
  EXPECT_THAT(ErrorOf("evaluate: {every: -1}"),
              StatusIs(kInvalid, Line3("task.evaluate.every is -1, expected 0 or more")));
  EXPECT_THAT(Load("task: {model: lenet5}\ndata:\n  partition: {num_clients: 0}\n"),
              StatusIs(kInvalid, Line3("data.partition.num_clients is 0, expected at least 1")));
  EXPECT_THAT(Load("task: {model: lenet5}\ndata:\n  partition: {kind: zipf}\n"),
              StatusIs(kInvalid, Line3("data.partition.kind is 'zipf', expected one of iid, ")));
  EXPECT_THAT(Load("task: {model: lenet5}\n\ndata: mnist\n"),
              StatusIs(absl::StatusCode::kNotFound,
                       Line3("data.name is mnist, expected one of fashion_mnist")));
}

TEST_F(LoadConfigTest, EveryLoss_HasAName) {
  const std::pair<const char*, LossKind> kinds[] = {
      {"softmax_cross_entropy", LossKind::kSoftmaxCrossEntropy},
      {"binary_cross_entropy", LossKind::kBinaryCrossEntropy},
      {"mse", LossKind::kMeanSquaredError}};
  for (const auto& [name, kind] : kinds) {
    const auto config =
        Load(absl::StrCat("task: {model: lenet5, train: {loss: {kind: ", name, "}}}\n"));
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->task.train.loss.kind, kind);
    EXPECT_EQ(LossKindName(kind), name);
  }
}

TEST_F(LoadConfigTest, TrainingOptionThatIsWrong_NamesFileLineAndField) {
  EXPECT_THAT(ErrorOf("train: {batch_size: 4, micro_batch_size: 5}"),
              StatusIs(kInvalid, Line3("task.train: micro_batch_size is 5, expected 0 ")));
  EXPECT_THAT(ErrorOf("train: {memory: tiny}"),
              StatusIs(kInvalid, Line3("task.train.memory: expected one of fast, small")));
  EXPECT_THAT(ErrorOf("train: {memory: MEMORY_MODE_UNSPECIFIED}"),
              StatusIs(kInvalid, Line3("task.train: memory is 0, expected 1 (fast) or 2 (small)")));
  EXPECT_THAT(ErrorOf("train: {loss: {kind: KIND_UNSPECIFIED}}"),
              StatusIs(kInvalid, Line3("task.train.loss: loss kind is 0, ")));
  EXPECT_THAT(ErrorOf("train: {loss: {label_smoothing: 1}}"),
              StatusIs(kInvalid, Line3("task.train.loss: label_smoothing is 1, ")));
  EXPECT_THAT(ErrorOf("train: {loss: {kind: mse, label_smoothing: 0.1}}"),
              StatusIs(kInvalid, Line3("task.train.loss: label_smoothing is 0.1, ")));
  EXPECT_THAT(ErrorOf("train: {update: {channels: 0}}"),
              StatusIs(kInvalid, Line3("task.train.update: channels is 0, expected above 0")));
  EXPECT_THAT(ErrorOf("train: {update: {last_layers: -1}}"),
              StatusIs(kInvalid, Line3("task.train.update: last_layers is -1, ")));
  EXPECT_THAT(Load("task:\n  train:\n    update: {frozen_layers: [fc9]}\n  model: lenet5\n"),
              StatusIs(kInvalid, Line3("task.train.update: frozen_layers has 'fc9', expected a "
                                       "layer of model 'lenet5'")));
  EXPECT_THAT(Load("task: {model: lenet5}\n", {"task.train.update.frozen_layers=[pool1]"}),
              StatusIs(kInvalid,
                       "--set task.train.update.frozen_layers=[pool1]: "
                       "task.train.update: frozen_layers has 'pool1', which has no "
                       "parameters"));
}

TEST_F(LoadConfigTest, Adapt_ReachesTheTask) {
  const auto plain = Load("task: {model: lenet5}\n");
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(plain->task.adapt.widths, std::vector<double>{1.0});
  EXPECT_EQ(plain->task.adapt.submodel, SubmodelRule::kHeteroFl);
  EXPECT_EQ(plain->task.adapt.min_batch_size, 0);
  EXPECT_TRUE(plain->task.error_feedback);
  const auto config = Load(
      "task:\n  model: lenet5\n  codec: {up: none, error_feedback: false}\n"
      "  adapt: {widths: [1, 0.5, 0.25], submodel: fedrolex, min_batch_size: 2,\n"
      "          min_local_steps: 5, codecs: [\"quantize(8)\", none], memory: [fast, small],\n"
      "          micro_batch_sizes: [4, 2]}\n");
  ASSERT_THAT(config, IsOk());
  const AdaptOptions& adapt = config->task.adapt;
  EXPECT_EQ(adapt.widths, (std::vector<double>{1.0, 0.5, 0.25}));
  EXPECT_EQ(adapt.submodel, SubmodelRule::kFedRolex);
  EXPECT_EQ(adapt.min_batch_size, 2);
  EXPECT_EQ(adapt.min_local_steps, 5);
  EXPECT_EQ(adapt.codecs, (std::vector<std::string>{"quantize(8)", "none"}));
  EXPECT_EQ(adapt.memory, (std::vector<MemoryMode>{MemoryMode::kFast, MemoryMode::kSmall}));
  EXPECT_EQ(adapt.micro_batch_sizes, (std::vector<int64_t>{4, 2}));
  EXPECT_FALSE(config->task.error_feedback);
}

TEST_F(LoadConfigTest, AdaptThatIsWrong_NamesFileLineAndField) {
  EXPECT_THAT(ErrorOf("adapt: {submodel: random}"),
              StatusIs(kInvalid, Line3("task.adapt.submodel: ")));
  EXPECT_THAT(ErrorOf("adapt: {widths: [0.5, 1]}"),
              StatusIs(kInvalid, Line3("task.adapt.widths is [0.5, 1], expected ")));
  EXPECT_THAT(ErrorOf("adapt: {codecs: [squeeze]}"),
              StatusIs(kInvalid, Line3("task.adapt.codecs: codec 'squeeze'")));
  EXPECT_THAT(ErrorOf("adapt: {memory: [tiny]}"),
              StatusIs(kInvalid, Line3("task.adapt.memory[0]: expected one of fast, small")));
  EXPECT_THAT(ErrorOf("adapt: {memory: [small, small]}"),
              StatusIs(kInvalid, Line3("task.adapt.memory is [2, 2], expected 1 (fast) and ")));
}

TEST_F(LoadConfigTest, WrongOverride_IsNamedInsteadOfTheFile) {
  EXPECT_THAT(Load("task: {model: lenet5, num_rounds: 5}\n", {"task.num_rounds=0"}),
              StatusIs(kInvalid, "--set task.num_rounds=0: task.num_rounds is 0, "));
  EXPECT_THAT(Load("task: {model: lenet5}\n", {"task.model=nothing"}),
              StatusIs(absl::StatusCode::kNotFound, "--set task.model=nothing: task.model.zoo: "));
}

TEST_F(LoadConfigTest, LaterOverride_Wins) {
  const auto config = Load("task: {model: lenet5}\n", {"task.num_rounds=3", "task.num_rounds=4"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->task.num_rounds, 4);
}

TEST_F(LoadConfigTest, Server_IsChecked) {
  const auto error_of = [this](absl::string_view server) {
    return Load(absl::StrCat("task: {model: lenet5}\nserver:\n  ", server, "\n")).status();
  };
  for (const char* listen : {"localhost", "':9092'", "host:port", "host:65536", "host:-1", "''"}) {
    EXPECT_THAT(error_of(absl::StrCat("listen: ", listen)),
                StatusIs(kInvalid, Line3("server.listen is '")));
  }
  EXPECT_THAT(error_of("tls: {certificate: c.pem}"),
              StatusIs(kInvalid, "server.tls.private_key is not given, expected a PEM file"));
  EXPECT_THAT(error_of("tls: {private_key: k.pem}"),
              StatusIs(kInvalid, "server.tls.certificate is not given, expected a PEM file"));
  EXPECT_THAT(error_of("tls: {client_ca: ca.pem}"),
              StatusIs(kInvalid, Line3("server.tls.client_ca is given, expected only together")));
}

}  // namespace
}  // namespace tern::server
