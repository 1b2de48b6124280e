#include "core/base/thread_pool.h"

namespace tern {

ThreadPool::ThreadPool(int num_threads) {
  for (int worker = 1; worker < num_threads; ++worker) {
    threads_.emplace_back([this, worker] { WorkerLoop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::ParallelFor(int64_t count,
                             const std::function<void(int worker, int64_t index)>& body) {
  {
    MutexLock lock(mutex_);
    body_ = &body;
    count_ = count;
    next_ = 0;
  }
  work_.NotifyAll();
  RunIndices(0);
  MutexLock lock(mutex_);
  while (busy_ > 0) done_.Wait(mutex_);
  body_ = nullptr;
}

void ThreadPool::WorkerLoop(int worker) {
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!stopping_ && next_ >= count_) work_.Wait(mutex_);
      if (stopping_) return;
    }
    RunIndices(worker);
  }
}

void ThreadPool::RunIndices(int worker) {
  while (true) {
    const std::function<void(int, int64_t)>* body;
    int64_t index;
    {
      MutexLock lock(mutex_);
      if (next_ >= count_) return;
      index = next_++;
      body = body_;
      ++busy_;
    }
    (*body)(worker, index);
    MutexLock lock(mutex_);
    if (--busy_ == 0) done_.NotifyAll();
  }
}

}  // namespace tern
