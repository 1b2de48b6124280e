#include "core/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tern {
namespace {

TEST(Mutex, Increments_FromManyThreads_AllCount) {
  Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        MutexLock lock(mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 40000);
}

TEST(CondVar, WaitFor_NobodyNotifies_TimesOut) {
  Mutex mutex;
  CondVar condition;
  MutexLock lock(mutex);
  // Waking for no reason is allowed, so more than one wait may be needed.
  while (condition.WaitFor(mutex, absl::Microseconds(1))) {
  }
  EXPECT_FALSE(condition.WaitFor(mutex, absl::ZeroDuration()));
}

// Infinity plus the present must not overflow into a deadline that has passed.
TEST(CondVar, WaitFor_InfiniteTimeout_WaitsUntilNotified) {
  Mutex mutex;
  CondVar condition;
  bool ready = false;
  std::thread notifier([&] {
    MutexLock lock(mutex);
    ready = true;
    condition.NotifyOne();
  });
  {
    MutexLock lock(mutex);
    while (!ready) ASSERT_TRUE(condition.WaitFor(mutex, absl::InfiniteDuration()));
  }
  notifier.join();
}

TEST(CondVar, Wait_PassesATurnBackAndForth) {
  Mutex mutex;
  CondVar condition;
  int turn = 0;
  constexpr int kTurns = 1000;
  const auto play = [&](int mine) {
    MutexLock lock(mutex);
    while (turn < kTurns) {
      if (turn % 2 == mine) {
        ++turn;
        condition.NotifyAll();
      } else {
        condition.Wait(mutex);
      }
    }
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
  EXPECT_EQ(turn, kTurns);
}

}  // namespace
}  // namespace tern
