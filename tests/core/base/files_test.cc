#include "core/base/files.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

class FilesTest : public ::testing::Test {
 protected:
  ~FilesTest() override { std::filesystem::remove_all(directory_); }
  FilesTest() { std::filesystem::create_directory(directory_); }

  const std::string directory_ = absl::StrCat(::testing::TempDir(), "files_test_", ::getpid());
  const std::string path_ = directory_ + "/file";
};

TEST_F(FilesTest, WriteFileAtomically_ReadsBackAndLeavesNothingElse) {
  const std::string contents("a\0b\n", 4);
  ASSERT_THAT(WriteFileAtomically(path_, "older and longer"), IsOk());
  ASSERT_THAT(WriteFileAtomically(path_, contents), IsOk());
  const auto read = ReadTextFile(path_, 4);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, contents);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FilesTest, ReadTextFile_OneByteTooLong_IsResourceExhausted) {
  ASSERT_THAT(WriteFileAtomically(path_, "12345"), IsOk());
  EXPECT_THAT(ReadTextFile(path_, 5), IsOk());
  EXPECT_THAT(ReadTextFile(path_, 4),
              StatusIs(absl::StatusCode::kResourceExhausted, path_ + ": is longer than 4 bytes"));
}

TEST_F(FilesTest, ReadTextFile_Missing_IsNotFound) {
  EXPECT_THAT(ReadTextFile(path_, 10), StatusIs(absl::StatusCode::kNotFound, path_));
}

TEST_F(FilesTest, Directory_IsFailedPrecondition) {
  EXPECT_THAT(ReadTextFile(directory_, 10),
              StatusIs(absl::StatusCode::kFailedPrecondition, "is a directory, expected a file"));
  EXPECT_THAT(WriteFileAtomically(directory_, "x"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "is a directory, expected a file"));
}

TEST_F(FilesTest, WriteFileAtomically_NoSuchDirectory_NamesThePath) {
  const std::string path = directory_ + "/none/file";
  EXPECT_THAT(WriteFileAtomically(path, "x"), StatusIs(absl::StatusCode::kNotFound, path));
}

TEST_F(FilesTest, WriteFileAtomically_FullDisk_IsResourceExhausted) {
  std::filesystem::create_symlink("/dev/full", path_ + ".tmp");
  EXPECT_THAT(WriteFileAtomically(path_, "x"),
              StatusIs(absl::StatusCode::kResourceExhausted, path_));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace tern
