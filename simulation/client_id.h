// What simulated clients are called.
#ifndef TERN_SIMULATION_CLIENT_ID_H_
#define TERN_SIMULATION_CLIENT_ID_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tern::simulation {

std::string ClientId(int64_t client);  // "client-<i>"
// `client_id` is one that ClientId gave.
int64_t ClientIndex(absl::string_view client_id);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_CLIENT_ID_H_
