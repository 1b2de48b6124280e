#include "client/device_state.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace tern::client {

absl::StatusOr<int64_t> MemoryDeviceState::Size(absl::string_view name) {
  const auto found = values_.find(name);
  return found == values_.end() ? 0 : static_cast<int64_t>(found->second.size());
}

absl::Status MemoryDeviceState::Read(absl::string_view name, int64_t offset, absl::Span<char> out) {
  const auto found = values_.find(name);
  const size_t size = found == values_.end() ? 0 : found->second.size();
  const auto begin = static_cast<size_t>(offset);
  if (begin > size || out.size() > size - begin) {
    return absl::DataLossError(
        absl::StrCat("'", name, "' has ", size, " bytes, expected at least ", begin + out.size()));
  }
  if (!out.empty()) std::memcpy(out.data(), found->second.data() + begin, out.size());
  return absl::OkStatus();
}

absl::Status MemoryDeviceState::Write(absl::string_view name, absl::string_view value) {
  if (value.empty()) {
    values_.erase(std::string(name));
  } else {
    values_.insert_or_assign(std::string(name), std::string(value));
  }
  return absl::OkStatus();
}

}  // namespace tern::client
