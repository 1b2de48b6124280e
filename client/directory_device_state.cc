#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/device_state.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace tern::client {
namespace {

constexpr size_t kMaxNameBytes = 64;
// What WriteFileAtomically calls a file that is not finished.
constexpr absl::string_view kTemporarySuffix = ".tmp";

absl::Status CheckName(absl::string_view name) {
  constexpr absl::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (!name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
      name.find_first_not_of(kAllowed) == absl::string_view::npos &&
      !absl::EndsWith(name, kTemporarySuffix)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "name of a value is '", name.substr(0, kMaxNameBytes), "', expected 1 to ", kMaxNameBytes,
      " of a-z, 0-9, '_', '.' and '-', neither beginning with '.' nor ending with '",
      kTemporarySuffix, "'"));
}

class DirectoryDeviceState final : public DeviceState {
 public:
  explicit DirectoryDeviceState(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<int64_t> Size(absl::string_view name) override {
    TERN_ASSIGN_OR_RETURN(const std::string path, Path(name));
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return 0;
      return absl::ErrnoToStatus(errno, path);
    }
    if (!S_ISREG(status.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(path, ": is not a file"));
    }
    return static_cast<int64_t>(status.st_size);
  }

  absl::Status Read(absl::string_view name, int64_t offset, absl::Span<char> out) override {
    TERN_ASSIGN_OR_RETURN(const std::string path, Path(name));
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno != ENOENT) return absl::ErrnoToStatus(errno, path);
    const absl::Status status = ReadAll(file, path, offset, out);
    if (file >= 0) ::close(file);
    return status;
  }

  absl::Status Write(absl::string_view name, absl::string_view value) override {
    TERN_ASSIGN_OR_RETURN(const std::string path, Path(name));
    if (!value.empty()) return WriteFileAtomically(path, value);
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, path);
  }

 private:
  absl::StatusOr<std::string> Path(absl::string_view name) const {
    TERN_RETURN_IF_ERROR(CheckName(name));
    return absl::StrCat(directory_, "/", name);
  }

  // `file` below 0: one that is not there, and so has no bytes.
  static absl::Status ReadAll(int file, const std::string& path, int64_t offset,
                              absl::Span<char> out) {
    while (!out.empty()) {
      const ssize_t count = file < 0 ? 0 : ::pread(file, out.data(), out.size(), offset);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return absl::ErrnoToStatus(errno, path);
      if (count == 0) {
        return absl::DataLossError(absl::StrCat(path, ": has ", offset,
                                                " bytes or fewer, expected ", out.size(), " more"));
      }
      offset += count;
      out.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  const std::string directory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceState>> OpenDirectoryDeviceState(
    const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  // What a device keeps tells of its data.
  if (fs::create_directories(directory, error)) {
    fs::permissions(directory, fs::perms::owner_all, error);
  }
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  // Found out now rather than when an update has been acknowledged.
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return absl::ErrnoToStatus(errno, directory);
  }
  return std::make_unique<DirectoryDeviceState>(directory);
}

}  // namespace tern::client
