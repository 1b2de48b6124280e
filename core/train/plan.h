// A plan: what one client does in one round. Plain data; it arrives with a lease.
#ifndef TERN_CORE_TRAIN_PLAN_H_
#define TERN_CORE_TRAIN_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/engine/program_options.h"
#include "core/engine/sgd.h"
#include "core/model/model_spec.h"

namespace tern {

// What a method of federated optimization has a client do besides SGD. Persisted and sent by these
// numbers: never renumber, only append.
enum class ClientMethod : int32_t {
  kSgd = 0,  // nothing
  // SCAFFOLD (Karimireddy et al. 2020): the server's control variate c comes with the model, the
  // client's c_i is kept on the device; c - c_i is added to every gradient, and what c_i changes by
  // is sent as section `control`. Option II: the new c_i is c_i - c + (x - y) / (steps *
  // learning_rate), of the parameters x that training began with and y that it ended with. Any
  // option of SGD goes with it; with a momentum the divisor stays that, as in Flower's niid_bench.
  kScaffold = 1,
  // Option I: the new c_i is the gradient at x of the mean loss of all the client's examples.
  kScaffoldGradient = 2,
  // FedDyn (Acar et al. 2021): proximal_mu is its alpha; what the device keeps, minus its g_i, is
  // added to every gradient, and grows by alpha times what is sent.
  kFedDyn = 3,
};

// Parameters that a client trains for itself: they are neither sent nor replaced by the model's,
// but kept on the device (FedPer: Arivazhagan et al. 2019; FedBN: Li et al. 2021).
struct PersonalScope {
  std::vector<std::string> layers;  // names of layers that have parameters
  bool biases = false;              // all biases

  bool empty() const { return layers.empty() && !biases; }
  bool operator==(const PersonalScope&) const = default;
};

// How a client trains locally: mini-batch SGD in fp32. From momentum to proximal_mu those of
// SgdOptions, 0 (false) is without.
struct TrainOptions {
  int64_t local_epochs = 1;
  int64_t batch_size = 10;
  float learning_rate = 0.05f;
  int64_t max_local_steps = 0;  // training ends after so many; 0: with the last epoch
  float momentum = 0.0f;
  bool nesterov = false;
  float weight_decay = 0.0f;
  float clip_norm = 0.0f;
  float clip_value = 0.0f;
  float proximal_mu = 0.0f;  // FedProx: pulls to the round's model
  // The examples of a batch that are in memory at once; their gradients are added up. 0: all.
  int64_t micro_batch_size = 0;
  MemoryMode memory = MemoryMode::kFast;
  UpdateScope scope = {};  // what of the model is trained
  LossOptions loss = {};
  // The loss is about the classes that occur in the client's examples; the others' logits take no
  // part in it.
  bool only_present_classes = false;
  ClientMethod method = ClientMethod::kSgd;
  PersonalScope personal = {};
  // The mean loss of the round's model on the client's examples is measured before training, and
  // reported (q-FedAvg: Li et al. 2020).
  bool measure_start_loss = false;

  // Whether the server's control variate comes with the model.
  bool receives_control() const {
    return method == ClientMethod::kScaffold || method == ClientMethod::kScaffoldGradient;
  }
  // Whether a vector that the device keeps is added to every gradient.
  bool has_control() const { return method != ClientMethod::kSgd; }

  bool operator==(const TrainOptions&) const = default;
};

enum class ResidualFormat : int32_t { kFloat32 = 1, kBfloat16 = 2 };

// How a device keeps what encoding left out. The residual's age is how many versions the model is
// ahead of the one that it was made from.
struct ResidualOptions {
  ResidualFormat format = ResidualFormat::kFloat32;
  float decay = 1.0f;   // per version of age, above 0, at most 1
  int64_t max_age = 0;  // an older one is dropped; 0: none is

  bool operator==(const ResidualOptions&) const = default;
};

struct Plan {
  ModelSpec model;
  TrainOptions train;
  std::string codec = "none";  // of the update: a codec string of compression/
  uint64_t seed = 0;           // with round and client id: the key of all that is random
  uint64_t round = 0;          // from 1
  // Which coordinates of the full model `model` has: a Submodel's name; empty: all.
  std::string submodel;
  // What encoding leaves out is kept on the device, and its next training starts from it.
  bool error_feedback = false;
  ResidualOptions residual = {};

  bool operator==(const Plan&) const = default;
};

// INVALID_ARGUMENT names the field, its value and the range.
absl::Status ValidateTrainOptions(const TrainOptions& options);
absl::Status ValidateResidualOptions(const ResidualOptions& options);

// What the engine must know of them.
SgdOptions ToSgdOptions(const TrainOptions& options);
ProgramOptions ToProgramOptions(const TrainOptions& options);

}  // namespace tern

#endif  // TERN_CORE_TRAIN_PLAN_H_
