#include "core/wire/messages.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tern {

absl::Status ValidateClientId(absl::string_view client_id) {
  constexpr size_t kMaxBytes = 128;
  const bool printable = std::all_of(client_id.begin(), client_id.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (!client_id.empty() && client_id.size() <= kMaxBytes && printable) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "client id '", absl::CHexEscape(client_id.substr(0, kMaxBytes)), "' of ", client_id.size(),
      " bytes, expected 1 to ", kMaxBytes, " printable ASCII characters without spaces"));
}

}  // namespace tern
