#include "server/config/proto_to_yaml.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "server/config/yaml_to_proto.h"
#include "tern/v1/config.pb.h"
#include "tests/testing/status_matchers.h"

namespace tern::server {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::tern::testing::IsOk;
using ::testing::HasSubstr;

v1::Config Parse(absl::string_view yaml) {
  v1::Config config;
  EXPECT_THAT(MergeYamlText(yaml, "test", &config), IsOk());
  return config;
}

TEST(ToYaml, PrintsEveryFieldInOrder) {
  const v1::Config config = Parse("task: {model: lenet5, codec: {up: quantize(8)}}\n");
  EXPECT_EQ(ToYaml(config),
            "seed: 1\n"
            "data:\n"
            "  name: fashion_mnist\n"
            "  path: \"\"\n"
            "  partition:\n"
            "    kind: iid\n"
            "    num_clients: 10\n"
            "    alpha: 0.5\n"
            "    min_examples: 10\n"
            "    shards_per_client: 2\n"
            "    classes_per_client: 2\n"
            "task:\n"
            "  name: task\n"
            "  model:\n"
            "    zoo: lenet5\n"
            "    width: 1\n"
            "  num_rounds: 20\n"
            "  train:\n"
            "    local_epochs: 1\n"
            "    batch_size: 10\n"
            "    learning_rate: 0.05\n"
            "    momentum: 0\n"
            "    nesterov: false\n"
            "    weight_decay: 0\n"
            "    clip_norm: 0\n"
            "    clip_value: 0\n"
            "    proximal_mu: 0\n"
            "    micro_batch_size: 0\n"
            "    memory: fast\n"
            "    update:\n"
            "      frozen_layers: []\n"
            "      last_layers: 0\n"
            "      biases_only: false\n"
            "      channels: 1\n"
            "    loss:\n"
            "      kind: softmax_cross_entropy\n"
            "      label_smoothing: 0\n"
            "      only_present_classes: false\n"
            "    method: sgd\n"
            "    personal:\n"
            "      layers: []\n"
            "      biases: false\n"
            "    schedule:\n"
            "      kind: constant\n"
            "      warmup_rounds: 0\n"
            "      decay: 0.99\n"
            "      every: 1\n"
            "      floor: 0\n"
            "    precision: fp32\n"
            "  codec:\n"
            "    up: \"quantize(8)\"\n"
            "    down: none\n"
            "    error_feedback: true\n"
            "    residual:\n"
            "      format: float32\n"
            "      decay: 1\n"
            "      max_age: 0\n"
            "  strategy:\n"
            "    aggregator: mean\n"
            "    optimizer: fedavg\n"
            "    learning_rate: 1\n"
            "    max_update_abs: 16\n"
            "    max_num_examples: 1000000\n"
            "    momentum: 0.9\n"
            "    weights: examples\n"
            "    max_weight: 0\n"
            "    schedule:\n"
            "      kind: constant\n"
            "      warmup_rounds: 0\n"
            "      decay: 0.99\n"
            "      every: 1\n"
            "      floor: 0\n"
            "    variant: paper\n"
            "    beta1: 0.9\n"
            "    beta2: 0.99\n"
            "    tau: 0\n"
            "    epsilon: 0.001\n"
            "    population_size: 0\n"
            "    attackers: 0\n"
            "    trim: 0\n"
            "    keep: 0\n"
            "    clip_norm: 10\n"
            "    iterations: 0\n"
            "    smoothing: 1e-05\n"
            "    fairness: 1\n"
            "    root_examples: 100\n"
            "  round:\n"
            "    cohort_size: 10\n"
            "    over_selection: 1\n"
            "    min_updates: 1\n"
            "    min_available: 0\n"
            "    deadline_s: 600\n"
            "  evaluate:\n"
            "    every: 1\n"
            "  adapt:\n"
            "    widths: []\n"
            "    submodel: heterofl\n"
            "    min_batch_size: 0\n"
            "    min_local_steps: 0\n"
            "    codecs: []\n"
            "    memory: []\n"
            "    micro_batch_sizes: []\n"
            "server:\n"
            "  listen: \"0.0.0.0:9092\"\n"
            "  tls:\n"
            "    certificate: \"\"\n"
            "    private_key: \"\"\n"
            "    client_ca: \"\"\n"
            "population: []\n"
            "simulation:\n"
            "  train_dropped: false\n"
            "  check_in_spread_s: 60\n"
            "  attack:\n"
            "    kind: none\n"
            "    fraction: 0.2\n"
            "    per_cohort: false\n"
            "    scale: 0\n"
            "  lab:\n"
            "    attacks: []\n"
            "    defences: []\n"
            "    seeds: []\n");
}

TEST(ToYaml, LoadsAgainToTheSame) {
  const v1::Config config = Parse(
      "seed: 18446744073709551615\n"
      "data: {name: 'on', path: \"a \\\"b\\\" \\\\ \\n\\t # é: x\"}\n"
      "task:\n"
      "  name: '007'\n"
      "  model: {spec: {name: m, input: [1, 28, 28], layers: [{name: f, kind: flatten},"
      " {name: fc, kind: dense, units: 10}]}}\n"
      "  train: {learning_rate: 0.1}\n"
      "  strategy: {max_update_abs: 1.17549435e-38}\n"
      "  round: {deadline_s: 0.30000000000000004}\n");
  const std::string yaml = ToYaml(config);
  const v1::Config again = Parse(yaml);
  EXPECT_EQ(ToYaml(again), yaml);
  EXPECT_EQ(again.data().path(), config.data().path());
  EXPECT_EQ(again.task().train().learning_rate(), 0.1f);
  EXPECT_EQ(again.task().round().deadline_s(), 0.30000000000000004);
  EXPECT_TRUE(MessageDifferencer::Equivalent(again.task().model(), config.task().model()));
  // Everything is set now, so that the next round trip gives an equal message.
  EXPECT_TRUE(MessageDifferencer::Equals(Parse(ToYaml(again)), again));
}

TEST(ToYaml, EmptyMessagesAndLists_LoadAgain) {
  v1::Config config;
  config.mutable_task()->mutable_model()->mutable_spec();
  const std::string yaml = ToYaml(config);
  EXPECT_THAT(yaml, HasSubstr("layers: []\n"));
  const v1::Config again = Parse(yaml);
  EXPECT_EQ(ToYaml(again), yaml);
  EXPECT_THAT(ToYaml(v1::Config()), HasSubstr("model:\n    width: 1\n"));
}

}  // namespace
}  // namespace tern::server
