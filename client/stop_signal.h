// SIGINT and SIGTERM as something that a program can wait for.
#ifndef TERN_CLIENT_STOP_SIGNAL_H_
#define TERN_CLIENT_STOP_SIGNAL_H_

#include <csignal>
#include <thread>

#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace tern::client {

// At most one at a time. Make it before any other thread: threads inherit that these signals are
// blocked, so that one thread alone takes them.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Returns after `duration`, or as soon as a signal has arrived; true if one has. The first signal
  // only asks; a second one ends the process at once, with the status that a shell gives to it.
  bool WaitFor(absl::Duration duration);

 private:
  void Listen();

  sigset_t signals_;
  Mutex mutex_;
  CondVar changed_;
  bool arrived_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tern::client

#endif  // TERN_CLIENT_STOP_SIGNAL_H_
