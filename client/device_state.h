// What a device keeps between rounds: error feedback's residual, control variates and personal
// parameters. One interface serves a real device's directory and the simulator's many devices
// in memory. The state is no part of the device's memory budget: a session reads it by blocks.
#ifndef TERN_CLIENT_DEVICE_STATE_H_
#define TERN_CLIENT_DEVICE_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern::client {

// The state of one device, as named values. One thread at a time.
class DeviceState {
 public:
  virtual ~DeviceState() = default;

  // Bytes of the value `name`; 0 if there is none.
  virtual absl::StatusOr<int64_t> Size(absl::string_view name) = 0;
  // Reads [offset, offset + out.size()) of the value. DATA_LOSS: it is shorter.
  virtual absl::Status Read(absl::string_view name, int64_t offset, absl::Span<char> out) = 0;
  // Replaces the value by `value`: whole or not at all, also when power fails. An empty one removes
  // it.
  virtual absl::Status Write(absl::string_view name, absl::string_view value) = 0;
};

// In memory.
class MemoryDeviceState final : public DeviceState {
 public:
  absl::StatusOr<int64_t> Size(absl::string_view name) override;
  absl::Status Read(absl::string_view name, int64_t offset, absl::Span<char> out) override;
  absl::Status Write(absl::string_view name, absl::string_view value) override;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// One file for each value in `directory`, which is made, readable by its owner alone. Names are 1
// to 64 of a-z, 0-9, '_', '.' and '-', neither beginning with '.' nor ending with ".tmp"; others
// are INVALID_ARGUMENT. Errors as the system's; their messages begin with the path.
absl::StatusOr<std::unique_ptr<DeviceState>> OpenDirectoryDeviceState(const std::string& directory);

}  // namespace tern::client

#endif  // TERN_CLIENT_DEVICE_STATE_H_
