#include "core/base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

absl::Status SystemError(int error, const std::string& path) {
  if (error == EISDIR) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is a directory, expected a file"));
  }
  return absl::ErrnoToStatus(error, path);
}

absl::Status WriteDurably(std::FILE* file, const std::string& path, absl::string_view contents) {
  const bool durable = std::fwrite(contents.data(), 1, contents.size(), file) == contents.size() &&
                       std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
  return durable ? absl::OkStatus() : SystemError(errno, path);
}

// Makes a rename inside the directory of `path` durable.
absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return SystemError(errno, path);
  const absl::Status status =
      ::fsync(descriptor) == 0 ? absl::OkStatus() : SystemError(errno, path);
  ::close(descriptor);
  return status;
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes) {
  const FileHandle file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return SystemError(errno, path);
  std::string contents;
  char block[4096];
  while (const size_t count = std::fread(block, 1, sizeof(block), file.get())) {
    contents.append(block, count);
    if (static_cast<int64_t>(contents.size()) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": is longer than ", max_bytes, " bytes"));
    }
  }
  if (std::ferror(file.get()) != 0) return SystemError(errno, path);
  return contents;
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents) {
  const std::string temporary = path + ".tmp";
  FileHandle file(std::fopen(temporary.c_str(), "wb"));
  if (file == nullptr) return SystemError(errno, path);
  absl::Status status = WriteDurably(file.get(), path, contents);
  file.reset();
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError(errno, path);
  }
  if (!status.ok()) {
    std::remove(temporary.c_str());
    return status;
  }
  return SyncDirectoryOf(path);
}

}  // namespace tern
