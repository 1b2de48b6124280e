#include "server/round_journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace tern::server {
namespace {

constexpr size_t kFirstSegment = size_t{1} << 20;
constexpr size_t kLargestSegment = size_t{1} << 26;
constexpr size_t kPage = 4096;

// -1 with errno: no such file can be made there.
int OpenUnnamed(const std::string& directory) {
  const int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return file;
  // The file system knows no files without names: this one loses its own at once.
  std::string path = directory + "/tern-journal-XXXXXX";
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(path.c_str());
  return named;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RoundJournal>> RoundJournal::Create(std::string directory) {
  if (directory.empty()) {
    std::error_code error;
    directory = std::filesystem::temp_directory_path(error).string();
    if (error) return absl::ErrnoToStatus(error.value(), "directory for temporary files");
  }
  const int file = OpenUnnamed(directory);
  if (file < 0) return absl::ErrnoToStatus(errno, directory);
  return std::unique_ptr<RoundJournal>(new RoundJournal(std::move(directory), file));
}

RoundJournal::~RoundJournal() {
  for (const absl::Span<char> segment : segments_) ::munmap(segment.data(), segment.size());
  ::close(file_);
}

absl::Status RoundJournal::AddSegment(size_t bytes) {
  const size_t last = segments_.empty() ? kFirstSegment / 2 : segments_.back().size();
  size_t size = std::max(std::min(2 * last, kLargestSegment), bytes);
  size = (size + kPage - 1) / kPage * kPage;
  // All of its room is taken now: a mapped page that the file system has none for would end the
  // process.
  int error = ::posix_fallocate(file_, file_bytes_, static_cast<off_t>(size));
  if (error == ENOSPC || error == EFBIG) {  // for more than is needed, perhaps
    size = (bytes + kPage - 1) / kPage * kPage;
    error = ::posix_fallocate(file_, file_bytes_, static_cast<off_t>(size));
  }
  if (error == ENOSPC || error == EFBIG) {
    return absl::ResourceExhaustedError(absl::StrCat(directory_, ": no room for ", size,
                                                     " more bytes of a round's updates, ",
                                                     file_bytes_, " are there"));
  }
  if (error != 0) return absl::ErrnoToStatus(error, directory_);
  void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_, file_bytes_);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, directory_);
  file_bytes_ += static_cast<int64_t>(size);
  segments_.push_back(absl::MakeSpan(static_cast<char*>(data), size));
  used_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> RoundJournal::Append(absl::string_view bytes) {
  char* place = nullptr;
  {
    MutexLock lock(mutex_);
    if (segments_.empty() || segments_.back().size() - used_ < bytes.size()) {
      TERN_RETURN_IF_ERROR(AddSegment(bytes.size()));
    }
    place = segments_.back().data() + used_;
    used_ += bytes.size();
  }
  // The place is this call's alone.
  if (!bytes.empty()) std::memcpy(place, bytes.data(), bytes.size());
  return absl::string_view(place, bytes.size());
}

}  // namespace tern::server
