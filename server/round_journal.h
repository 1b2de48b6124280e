// Where the updates of an open round stay for rules that read them all when it closes: a file that
// has no name, so that nothing of it is left behind by whatever end. The memory that it takes is
// the system's cache of the file, not the process's own.
#ifndef TERN_SERVER_ROUND_JOURNAL_H_
#define TERN_SERVER_ROUND_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/mutex.h"

namespace tern::server {

// Thread-safe.
class RoundJournal {
 public:
  // `directory`: of a file system with room for the updates of a round; empty: the system's for
  // temporary files. Errors as the system's; the message begins with the directory.
  static absl::StatusOr<std::unique_ptr<RoundJournal>> Create(std::string directory);
  ~RoundJournal();
  RoundJournal(const RoundJournal&) = delete;
  RoundJournal& operator=(const RoundJournal&) = delete;

  // Keeps a copy; what is returned shows it for as long as the journal lives. RESOURCE_EXHAUSTED:
  // the file system is full; otherwise errors as the system's. The journal stays as it was then.
  absl::StatusOr<absl::string_view> Append(absl::string_view bytes);

 private:
  RoundJournal(std::string directory, int file) : directory_(std::move(directory)), file_(file) {}
  absl::Status AddSegment(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const int file_;
  Mutex mutex_;
  std::vector<absl::Span<char>> segments_ ABSL_GUARDED_BY(mutex_);  // mapped
  size_t used_ ABSL_GUARDED_BY(mutex_) = 0;                         // of the last segment
  int64_t file_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tern::server

#endif  // TERN_SERVER_ROUND_JOURNAL_H_
