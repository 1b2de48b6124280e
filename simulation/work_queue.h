// Training that is done ahead of the event that needs it, by worker threads and by the caller while
// it waits. Which thread does what, and when, can be seen in no result.
#ifndef TERN_SIMULATION_WORK_QUEUE_H_
#define TERN_SIMULATION_WORK_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace tern::simulation {

// Add, Wait and Cancel: from one thread, which is worker 0.
class WorkQueue {
 public:
  // When a job is needed, and a number that no other job has.
  using Key = std::tuple<absl::Duration, int64_t>;
  using Job = std::function<void(int worker)>;

  // `num_threads` >= 1, the caller's included.
  explicit WorkQueue(int num_threads);
  // Waits for the jobs that are running; the others are not done.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void Add(const Key& key, Job job);
  // Returns when the job is done; does it itself, or others that are needed soon, meanwhile.
  void Wait(const Key& key);
  // Forgets a job: it is not done, or its end is waited for.
  void Cancel(const Key& key);

 private:
  enum class State { kWaiting, kRunning, kDone };
  struct Entry {
    State state = State::kWaiting;
    Job job;
  };
  using Entries = std::map<Key, Entry>;

  void WorkerLoop(int worker);
  // The next job that may be done ahead, or end().
  Entries::iterator NextAhead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs a waiting job, without the lock.
  void Run(Entries::iterator entry, int worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_ahead_;  // results that wait for their event, at most: they take memory
  Mutex mutex_;
  CondVar changed_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // in the order in which they are needed
  int64_t num_started_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_WORK_QUEUE_H_
