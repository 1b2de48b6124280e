#include "client/stop_signal.h"

#include <pthread.h>

#include <cstdlib>

#include "absl/time/clock.h"

namespace tern::client {

StopSignal::StopSignal() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { Listen(); });
}

StopSignal::~StopSignal() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void StopSignal::Listen() {
  while (true) {
    int signal = 0;
    sigwait(&signals_, &signal);
    MutexLock lock(mutex_);
    if (closing_) return;
    if (arrived_) std::_Exit(128 + signal);
    arrived_ = true;
    changed_.NotifyAll();
  }
}

bool StopSignal::WaitFor(absl::Duration duration) {
  const absl::Time deadline = absl::Now() + duration;
  MutexLock lock(mutex_);
  while (!arrived_) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mutex_, left);
  }
  return arrived_;
}

}  // namespace tern::client
