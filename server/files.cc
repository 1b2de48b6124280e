#include "server/files.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"

namespace tern::server {
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

absl::Status WriteAndClose(FileHandle file, const std::string& path, absl::string_view contents) {
  const bool written =
      std::fwrite(contents.data(), 1, contents.size(), file.get()) == contents.size();
  const int write_error = errno;
  const bool closed = std::fclose(file.release()) == 0;
  if (!written) return SystemError(write_error, path);
  if (!closed) return SystemError(errno, path);
  return absl::OkStatus();
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
  absl::Status status = WriteAndClose(std::move(file), path, contents);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError(errno, path);
  }
  if (!status.ok()) std::remove(temporary.c_str());
  return status;
}

}  // namespace tern::server
