#include "simulation/work_queue.h"

#include <atomic>
#include <set>

#include "core/base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::simulation {
namespace {

using ::testing::ElementsAre;

WorkQueue::Key At(int64_t second, int64_t order = 0) { return {absl::Seconds(second), order}; }

TEST(WorkQueueTest, OneThread_DoesAJobWhenItIsWaitedFor) {
  WorkQueue queue(1);
  std::vector<int> done;
  queue.Add(At(1), [&](int worker) { done.push_back(worker); });
  queue.Add(At(2), [&](int) { done.push_back(2); });
  EXPECT_TRUE(done.empty());
  queue.Wait(At(2));
  EXPECT_THAT(done, ElementsAre(2));
  queue.Wait(At(1));
  EXPECT_THAT(done, ElementsAre(2, 0));
}

TEST(WorkQueueTest, ACancelledJobIsNotDone) {
  WorkQueue queue(1);
  int done = 0;
  queue.Add(At(1), [&](int) { ++done; });
  queue.Cancel(At(1));
  queue.Add(At(1), [&](int) { done += 10; });
  queue.Wait(At(1));
  EXPECT_EQ(done, 10);
}

TEST(WorkQueueTest, CancelWaitsForAJobThatRuns) {
  WorkQueue queue(2);
  std::atomic<bool> started = false;
  std::atomic<bool> may_end = false;
  std::atomic<bool> ended = false;
  queue.Add(At(1), [&](int) {
    started = true;
    while (!may_end) std::this_thread::yield();
    ended = true;
  });
  while (!started) std::this_thread::yield();
  std::thread release([&] { may_end = true; });
  queue.Cancel(At(1));
  EXPECT_TRUE(ended);
  release.join();
}

TEST(WorkQueueTest, JobsThatNobodyWaitsForDoNotHoldTheEndUp) {
  WorkQueue queue(3);
  for (int i = 0; i < 100; ++i) queue.Add(At(i), [](int) {});
}

TEST(WorkQueueTest, WorkersDoNotRunFurtherAheadThanFourJobsEach) {
  std::atomic<int> done = 0;
  WorkQueue queue(2);
  for (int i = 0; i < 100; ++i) queue.Add(At(i), [&](int) { ++done; });
  for (int i = 0; i < 100; ++i) {
    queue.Wait(At(i));
    EXPECT_LE(done, i + 1 + 8);
  }
  EXPECT_EQ(done, 100);
}

TEST(WorkQueueTest, AnyOrderOfWaitingAndCancelling_DoesEachJobOnceOrNever) {
  for (const int num_threads : {1, 2, 5}) {
    constexpr int kJobs = 300;
    std::vector<std::atomic<int>> done(kJobs);
    std::set<int> cancelled;
    std::atomic<int> wrong_worker = 0;
    {
      WorkQueue queue(num_threads);
      RandomStream random({.seed = 7});
      std::vector<int> order;
      for (int i = 0; i < kJobs; ++i) {
        queue.Add(At(static_cast<int64_t>(random.Below(20)), i), [&, i](int worker) {
          ++done[static_cast<size_t>(i)];
          if (worker < 0 || worker >= num_threads) ++wrong_worker;
        });
      }
      // The same numbers again: the keys.
      RandomStream again({.seed = 7});
      std::vector<WorkQueue::Key> keys;
      for (int i = 0; i < kJobs; ++i) keys.push_back(At(again.Below(20), i));
      for (int i = 0; i < kJobs; ++i) {
        if (i % 7 == 3) {
          queue.Cancel(keys[static_cast<size_t>(i)]);
          cancelled.insert(i);
        } else {
          queue.Wait(keys[static_cast<size_t>(i)]);
        }
      }
    }
    EXPECT_EQ(wrong_worker, 0);
    for (int i = 0; i < kJobs; ++i) {
      const int times = done[static_cast<size_t>(i)];
      if (cancelled.contains(i)) {
        EXPECT_LE(times, 1);
      } else {
        EXPECT_EQ(times, 1);
      }
    }
  }
}

}  // namespace
}  // namespace tern::simulation
