#include "tests/core/wire/example_messages.h"

#include <string>

#include "core/base/crc32c.h"

namespace tern {

ModelSpec ExampleModelSpec() {
  return {.name = "example",
          .input = {1, 8, 8},
          .layers = {{.name = "conv1",
                      .kind = LayerKind::kConv2d,
                      .units = 2,
                      .kernel = 3,
                      .stride = 2,
                      .padding = 1},
                     {.name = "depthwise1",
                      .kind = LayerKind::kConv2d,
                      .units = 2,
                      .kernel = 2,
                      .padding = 1,
                      .groups = 2,
                      .dilation = 2},
                     {.name = "scale1", .kind = LayerKind::kScale, .factor = 2.0f},
                     {.name = "relu1", .kind = LayerKind::kRelu, .input = "scale1"},
                     {.name = "pool1", .kind = LayerKind::kMaxPool2d, .kernel = 2, .stride = 2},
                     {.name = "flatten", .kind = LayerKind::kFlatten},
                     {.name = "fc1", .kind = LayerKind::kDense, .units = 8},
                     {.name = "fc2", .kind = LayerKind::kDense, .parameters = "fc1", .units = 8}}};
}

CheckInRequest ExampleCheckInRequest() {
  return {.min_protocol_version = 1,
          .max_protocol_version = 3,
          .client_id = "client-7",
          .capabilities = {.ram_bytes = 64 << 20,
                           .flops_per_second = 1e9,
                           .downlink_bytes_per_second = 2e6,
                           .uplink_bytes_per_second = 1e6,
                           .battery_joules = 5e4,
                           .codecs = {"none", "quantize"},
                           .layer_kinds = {LayerKind::kDense, LayerKind::kRelu},
                           .storage_bytes = 1 << 24,
                           .joules_per_flop = 1e-10,
                           .joules_per_byte_down = 1e-7,
                           .joules_per_byte_up = 3e-7,
                           .round_trip = absl::Milliseconds(40)},
          .num_examples = 600,
          .model_version = 4};
}

Lease ExampleLease() {
  return {.lease_id = std::string(16, '\xAB'),
          .task = "quickstart",
          .plan = {.model = ExampleModelSpec(),
                   .train = {.local_epochs = 2,
                             .batch_size = 50,
                             .learning_rate = 0.1f,
                             .max_local_steps = 17,
                             .momentum = 0.9f,
                             .nesterov = true,
                             .weight_decay = 1e-4f,
                             .clip_norm = 5.0f,
                             .clip_value = 0.5f,
                             .proximal_mu = 0.01f,
                             .micro_batch_size = 7,
                             .memory = MemoryMode::kSmall,
                             .scope = {.frozen_layers = {"conv1", "depthwise1"},
                                       .last_layers = 2,
                                       .biases_only = true,
                                       .channels = 0.5f},
                             .loss = {.label_smoothing = 0.1f},
                             .only_present_classes = true,
                             .method = ClientMethod::kScaffoldGradient,
                             .personal = {.layers = {"conv1", "fc1"}, .biases = true},
                             .measure_start_loss = true},
                   .codec = "quantize(8)",
                   .seed = 0xFEDCBA9876543210u,
                   .round = 3,
                   .submodel = "heterofl(0.5)",
                   .error_feedback = true},
          .model_version = 2,
          .base_hash = std::string(32, '\x01'),
          .model_bytes = 12345,
          .deadline = absl::Seconds(90)};
}

Chunk ExampleChunk() {
  const std::string data = "some bytes";
  return {.lease_id = std::string(16, '\x05'),
          .total_bytes = data.size(),
          .offset = 0,
          .data = data,
          .crc32c = Crc32c(data)};
}

Update ExampleUpdate() {
  return {.lease_id = std::string(16, '\x05'),
          .base_hash = std::string(32, '\x06'),
          .sections = {{.name = "parameters", .codec = "none", .frame = "frame 1"},
                       {.name = "statistics", .codec = "quantize(8)", .frame = "frame 2"}},
          .report = {.num_examples = 600,
                     .local_steps = 24,
                     .train_loss = 0.75,
                     .peak_memory_bytes = 1 << 20,
                     .metrics = {{"train_accuracy", 0.5}, {"energy_j", 1.5}}}};
}

}  // namespace tern
