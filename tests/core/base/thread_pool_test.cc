#include "core/base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace tern {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, ParallelFor_CallsEachIndexOnce_LoopAfterLoop) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.num_threads(), GetParam());
  for (const int64_t count : {0, 1, 2, 3, 7, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    std::atomic<bool> workers_in_range = true;
    pool.ParallelFor(count, [&](int worker, int64_t index) {
      if (worker < 0 || worker >= pool.num_threads()) workers_in_range = false;
      ++calls[static_cast<size_t>(index)];
    });
    EXPECT_TRUE(workers_in_range);
    EXPECT_TRUE(std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 1; }))
        << count;
  }
}

// No index of a loop is run after the loop returned, nor under the number of two workers at once.
TEST_P(ThreadPoolTest, ParallelFor_ManyShortLoops_LeavesNothingBehind) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> of_worker(static_cast<size_t>(GetParam()), 0);
  int64_t expected = 0;
  for (int64_t loop = 0; loop < 500; ++loop) {
    const int64_t count = loop % 5;
    expected += count;
    // Unsynchronised on purpose: a race here is a bug of the pool.
    pool.ParallelFor(
        count, [&](int worker, int64_t /*index*/) { ++of_worker[static_cast<size_t>(worker)]; });
  }
  int64_t total = 0;
  for (const int64_t n : of_worker) total += n;
  EXPECT_EQ(total, expected);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST(ThreadPool, PoolOfOne_WorksOnTheCallersThread) {
  ThreadPool pool(1);
  std::set<std::thread::id> threads;
  pool.ParallelFor(10, [&](int, int64_t) { threads.insert(std::this_thread::get_id()); });
  EXPECT_EQ(threads, std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST(ThreadPool, IndicesThatWaitForEachOther_RunAtOnce) {
  ThreadPool pool(3);
  Mutex mutex;
  CondVar all_here;
  int here = 0;
  pool.ParallelFor(3, [&](int, int64_t) {
    MutexLock lock(mutex);
    if (++here == 3) all_here.NotifyAll();
    while (here < 3) all_here.Wait(mutex);
  });
  EXPECT_EQ(here, 3);
}

}  // namespace
}  // namespace tern
