#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/check.h"

namespace tern::testing {
namespace {

constexpr int kCannotRun = 127;

// In the child, between fork and exec: only what is safe there.
[[noreturn]] void Become(const std::vector<char*>& arguments, int output_descriptor) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nothing behind
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(output_descriptor, STDOUT_FILENO);
  dup2(output_descriptor, STDERR_FILENO);
  execv(arguments[0], arguments.data());
  _exit(kCannotRun);
}

ExitStatus Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) TERN_CHECK(errno == EINTR);
  if (WIFSIGNALED(status)) return {.signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status)};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
  if (status.signal != 0) return out << "killed by signal " << status.signal;
  return out << "exit status " << status.code;
}

Process::Process(std::vector<std::string> arguments) : name_(arguments.at(0)) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::array<int, 2> ends;
  TERN_CHECK(pipe2(ends.data(), O_CLOEXEC) == 0);
  pid_ = fork();
  TERN_CHECK(pid_ >= 0);
  if (pid_ == 0) Become(pointers, ends[1]);
  close(ends[1]);
  listener_ = std::thread([this, end = ends[0]] { Listen(end); });
}

Process::~Process() {
  Signal(SIGKILL);
  listener_.join();
}

void Process::Listen(int output_descriptor) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t size = read(output_descriptor, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    MutexLock lock(mutex_);
    output_.append(buffer.data(), static_cast<size_t>(size));
    changed_.NotifyAll();
  }
  close(output_descriptor);
  // Under the lock, so that a process id is never signalled after it has been given back.
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  MutexLock lock(mutex_);
  exit_ = Reap(pid_);
  changed_.NotifyAll();
}

std::optional<std::string> Process::NextLineWith(const std::string& part) {
  for (size_t end = 0; (end = output_.find('\n', searched_)) != std::string::npos;) {
    std::string line = output_.substr(searched_, end - searched_);
    searched_ = end + 1;
    if (absl::StrContains(line, part)) return line;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> Process::WaitForLine(const std::string& part) {
  const absl::Time deadline = absl::Now() + kProcessDeadline;
  MutexLock lock(mutex_);
  while (true) {
    if (std::optional<std::string> line = NextLineWith(part)) return *std::move(line);
    const absl::Duration left = deadline - absl::Now();
    if (!exit_.has_value() && left > absl::ZeroDuration()) {
      changed_.WaitFor(mutex_, left);
      continue;
    }
    const std::string message =
        absl::StrCat(name_, ": no line with '", part, "' in its output:\n", output_);
    if (exit_.has_value()) return absl::FailedPreconditionError(message);
    return absl::DeadlineExceededError(message);
  }
}

absl::StatusOr<ExitStatus> Process::WaitForExit() {
  const absl::Time deadline = absl::Now() + kProcessDeadline;
  MutexLock lock(mutex_);
  while (!exit_.has_value()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(name_, ": still running after ",
                                                      absl::FormatDuration(kProcessDeadline),
                                                      "; its output:\n", output_));
    }
    changed_.WaitFor(mutex_, left);
  }
  return *exit_;
}

void Process::Signal(int signal) const {
  MutexLock lock(mutex_);
  if (!exit_.has_value()) kill(pid_, signal);
}

std::string Process::output() const {
  MutexLock lock(mutex_);
  return output_;
}

Finished RunToEnd(std::vector<std::string> arguments) {
  Process process(std::move(arguments));
  const absl::StatusOr<ExitStatus> exit = process.WaitForExit();
  if (!exit.ok()) return {.output = std::string(exit.status().message())};
  return {.exit = *exit, .output = process.output()};
}

}  // namespace tern::testing
