// Another program as a test's child: started, listened to, waited for with a deadline, and gone
// when the test is.
#ifndef TERN_TESTS_TESTING_PROCESS_H_
#define TERN_TESTS_TESTING_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace tern::testing {

// Generous: a loaded machine must not fail a test. Whatever is waited for comes much sooner.
inline constexpr absl::Duration kProcessDeadline = absl::Seconds(120);

// How a process ended: its exit status, or the signal that killed it.
struct ExitStatus {
  int code = -1;
  int signal = 0;

  bool operator==(const ExitStatus&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ExitStatus& status);

class Process {
 public:
  // Runs `arguments[0]`, a path, with these arguments. Its standard output and error are read
  // together.
  explicit Process(std::vector<std::string> arguments);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The first line, of those after the last one that was waited for, that contains `part`.
  // DEADLINE_EXCEEDED, or FAILED_PRECONDITION if the process ended without it; the message holds
  // all output.
  absl::StatusOr<std::string> WaitForLine(const std::string& part);

  // Waits until it has ended. DEADLINE_EXCEEDED with all output.
  absl::StatusOr<ExitStatus> WaitForExit();

  void Signal(int signal) const;

  // Everything that it has printed so far.
  std::string output() const;

 private:
  void Listen(int output_descriptor);
  std::optional<std::string> NextLineWith(const std::string& part)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  pid_t pid_ = -1;
  std::thread listener_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::string output_ ABSL_GUARDED_BY(mutex_);
  size_t searched_ ABSL_GUARDED_BY(mutex_) = 0;  // of output_, whole lines
  std::optional<ExitStatus> exit_ ABSL_GUARDED_BY(mutex_);
};

// Runs a program to its end.
struct Finished {
  ExitStatus exit;
  std::string output;
};
Finished RunToEnd(std::vector<std::string> arguments);

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_PROCESS_H_
