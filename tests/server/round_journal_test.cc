#include "server/round_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::tern::testing::TemporaryDirectory;

TEST(RoundJournal, Append_ShowsACopyThatStays) {
  const TemporaryDirectory directory;
  const auto journal = RoundJournal::Create(directory.path()).value();
  std::vector<absl::string_view> kept;
  for (size_t i = 0; i < 100; ++i) {
    // From nothing to more than a segment.
    const std::string bytes(i * i * 500, static_cast<char>('a' + i % 26));
    kept.push_back(journal->Append(bytes).value());
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i], std::string(i * i * 500, static_cast<char>('a' + i % 26))) << i;
  }
}

TEST(RoundJournal, Append_FromManyThreads_KeepsEveryUpdateWhole) {
  const auto journal = RoundJournal::Create("").value();
  constexpr size_t kThreads = 4;
  std::vector<std::vector<absl::string_view>> kept(kThreads);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = 0; i < 200; ++i) {
        kept[thread].push_back(
            journal->Append(std::string(9000 + i, static_cast<char>('0' + thread))).value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t thread = 0; thread < kThreads; ++thread) {
    for (size_t i = 0; i < 200; ++i) {
      EXPECT_EQ(kept[thread][i], std::string(9000 + i, static_cast<char>('0' + thread)));
    }
  }
}

TEST(RoundJournal, LeavesNoFileBehind) {
  const TemporaryDirectory directory;
  const auto journal = RoundJournal::Create(directory.path()).value();
  EXPECT_THAT(journal->Append("an update"), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(RoundJournal, Create_InADirectoryThatIsNotThere_NamesIt) {
  EXPECT_THAT(RoundJournal::Create("/no/such/directory"),
              StatusIs(absl::StatusCode::kNotFound, "/no/such/directory"));
}

// No file of this process may grow beyond `bytes`, as if the file system were full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST(RoundJournal, Append_OfMoreThanThereIsRoomFor_IsRefusedAndTheRestStays) {
  const auto journal = RoundJournal::Create("").value();
  const absl::string_view kept = journal->Append("an update").value();
  const std::string large(size_t{8} << 20, 'x');
  {
    const FileSizeLimit limit(size_t{4} << 20);
    EXPECT_THAT(journal->Append(large),
                StatusIs(absl::StatusCode::kResourceExhausted, "no room for 8388608 more bytes"));
    EXPECT_THAT(journal->Append("another"), IsOk()) << "in the room that is left";
  }
  EXPECT_EQ(journal->Append(large).value(), large);
  EXPECT_EQ(kept, "an update");
}

}  // namespace
}  // namespace tern::server
