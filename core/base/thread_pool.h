// A fixed set of workers that share loops. The caller's thread is worker 0 and works too, so a pool
// of one starts no thread at all.
#ifndef TERN_CORE_BASE_THREAD_POOL_H_
#define TERN_CORE_BASE_THREAD_POOL_H_

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "core/base/mutex.h"

namespace tern {

class ThreadPool {
 public:
  // `num_threads` >= 1, the caller's included.
  explicit ThreadPool(int num_threads);
  // Waits for the workers; no loop may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(worker, index) once for each index in [0, count), in any order, each worker taking
  // the next index that is free; returns when all are done. `worker` is in [0, num_threads). One
  // loop at a time.
  void ParallelFor(int64_t count, const std::function<void(int worker, int64_t index)>& body);

 private:
  void WorkerLoop(int worker);
  void RunIndices(int worker);

  std::vector<std::thread> threads_;
  Mutex mutex_;
  CondVar work_;
  CondVar done_;
  const std::function<void(int, int64_t)>* body_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  int busy_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tern

#endif  // TERN_CORE_BASE_THREAD_POOL_H_
