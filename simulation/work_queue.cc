#include "simulation/work_queue.h"

#include <utility>

#include "core/base/check.h"

namespace tern::simulation {

WorkQueue::WorkQueue(int num_threads) : max_ahead_(4 * num_threads) {
  for (int worker = 1; worker < num_threads; ++worker) {
    threads_.emplace_back([this, worker] { WorkerLoop(worker); });
  }
}

WorkQueue::~WorkQueue() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void WorkQueue::Add(const Key& key, Job job) {
  {
    MutexLock lock(mutex_);
    const bool added = entries_.try_emplace(key, Entry{.job = std::move(job)}).second;
    TERN_CHECK(added);
  }
  changed_.NotifyAll();
}

void WorkQueue::Wait(const Key& key) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(key);
  TERN_CHECK(entry != entries_.end());
  while (entry->second.state != State::kDone) {
    const auto next = entry->second.state == State::kWaiting ? entry : NextAhead();
    if (next != entries_.end()) {
      Run(next, /*worker=*/0);
    } else {
      changed_.Wait(mutex_);
    }
  }
  entries_.erase(entry);
  --num_started_;
  changed_.NotifyAll();
}

void WorkQueue::Cancel(const Key& key) {
  MutexLock lock(mutex_);
  const auto entry = entries_.find(key);
  TERN_CHECK(entry != entries_.end());
  if (entry->second.state != State::kWaiting) --num_started_;
  while (entry->second.state == State::kRunning) changed_.Wait(mutex_);
  entries_.erase(entry);
  changed_.NotifyAll();
}

void WorkQueue::WorkerLoop(int worker) {
  MutexLock lock(mutex_);
  while (!stopping_) {
    const auto next = NextAhead();
    if (next != entries_.end()) {
      Run(next, worker);
    } else {
      changed_.Wait(mutex_);
    }
  }
}

WorkQueue::Entries::iterator WorkQueue::NextAhead() {
  if (num_started_ >= max_ahead_) return entries_.end();
  auto next = entries_.begin();
  while (next != entries_.end() && next->second.state != State::kWaiting) ++next;
  return next;
}

void WorkQueue::Run(Entries::iterator entry, int worker) {
  entry->second.state = State::kRunning;
  ++num_started_;
  mutex_.Unlock();
  entry->second.job(worker);
  mutex_.Lock();
  entry->second.state = State::kDone;
  changed_.NotifyAll();
}

}  // namespace tern::simulation
