#include "simulation/client_id.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"

namespace tern::simulation {
namespace {

constexpr char kClientIdPrefix[] = "client-";

}  // namespace

std::string ClientId(int64_t client) { return absl::StrCat(kClientIdPrefix, client); }

int64_t ClientIndex(absl::string_view client_id) {
  int64_t index = 0;
  TERN_CHECK(absl::SimpleAtoi(absl::StripPrefix(client_id, kClientIdPrefix), &index));
  return index;
}

}  // namespace tern::simulation
