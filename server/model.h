// A version of the global model, with what is sent of it.
#ifndef TERN_SERVER_MODEL_H_
#define TERN_SERVER_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tern::server {

// Immutable; shared, because a download may outlive the round it was leased in.
struct Model {
  uint64_t version = 0;  // the number of rounds that changed it
  std::vector<float> parameters;
  // SCAFFOLD's control variate, as long; empty: the task has none.
  std::vector<float> control;
  std::string hash;   // SHA-256 over the canonical bytes of the parameters
  std::string frame;  // what FetchModel streams: that of the parameters, and one of the control
};

// Hashes `parameters`, and frames both, which are finite.
absl::StatusOr<std::shared_ptr<const Model>> MakeModel(uint64_t version,
                                                       std::vector<float> parameters,
                                                       std::vector<float> control = {});

}  // namespace tern::server

#endif  // TERN_SERVER_MODEL_H_
