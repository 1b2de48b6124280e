#include "core/base/embedded_file.h"

#include <string>

#include "absl/types/span.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace tern::testing {

// This file, and one without a byte: see CMakeLists.txt.
absl::Span<const EmbeddedFile> EmbeddedTestFiles();

namespace {

TEST(EmbeddedFile, EveryByteOfTheFile_IsInTheProgram) {
  const absl::Span<const EmbeddedFile> files = EmbeddedTestFiles();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, "embedded_file_test.cc");
  const auto on_disk = ReadTextFile(TERN_EMBEDDED_FILE, 1 << 20);
  ASSERT_THAT(on_disk, IsOk());
  EXPECT_EQ(files[0].contents, *on_disk);
  // What a generator could stumble over: "quotes", \escapes\x41, a; list, [brackets], ${X} and ä.
}

TEST(EmbeddedFile, EmptyFile_IsEmptyText) {
  EXPECT_EQ(EmbeddedTestFiles()[1].name, "empty.txt");
  EXPECT_EQ(EmbeddedTestFiles()[1].contents, "");
}

}  // namespace
}  // namespace tern::testing
