#include "client/device_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::client {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::tern::testing::TemporaryDirectory;

std::string ReadRange(DeviceState& state, absl::string_view name, int64_t offset, size_t size) {
  std::string bytes(size, '?');
  EXPECT_THAT(state.Read(name, offset, absl::MakeSpan(bytes)), IsOk());
  return bytes;
}

// What holds for every state. The parameter: whether it is one in a directory.
class EveryDeviceState : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<DeviceState> Make() const {
    if (!GetParam()) return std::make_unique<MemoryDeviceState>();
    return OpenDirectoryDeviceState(directory_.File("state")).value();
  }

  TemporaryDirectory directory_;
};

TEST_P(EveryDeviceState, AValue_IsReadBackInAnyPiece) {
  const auto state = Make();
  const std::string value("0123456789\0\xFF", 12);
  ASSERT_THAT(state->Write("residual", value), IsOk());
  EXPECT_EQ(*state->Size("residual"), 12);
  EXPECT_EQ(ReadRange(*state, "residual", 0, 12), value);
  EXPECT_EQ(ReadRange(*state, "residual", 3, 4), "3456");
  EXPECT_EQ(ReadRange(*state, "residual", 12, 0), "");
}

TEST_P(EveryDeviceState, AnotherValue_ReplacesTheOldOneWhole) {
  const auto state = Make();
  ASSERT_THAT(state->Write("residual", "a long value"), IsOk());
  ASSERT_THAT(state->Write("residual", "short"), IsOk());
  EXPECT_EQ(*state->Size("residual"), 5);
  EXPECT_EQ(ReadRange(*state, "residual", 0, 5), "short");
}

TEST_P(EveryDeviceState, Values_HaveNamesOfTheirOwn) {
  const auto state = Make();
  ASSERT_THAT(state->Write("a", "first"), IsOk());
  ASSERT_THAT(state->Write("a.b-c_9", "second"), IsOk());
  EXPECT_EQ(ReadRange(*state, "a", 0, 5), "first");
  EXPECT_EQ(ReadRange(*state, "a.b-c_9", 0, 6), "second");
}

TEST_P(EveryDeviceState, AValueThatIsNotThere_HasNoBytes) {
  const auto state = Make();
  EXPECT_EQ(*state->Size("residual"), 0);
  std::string bytes(1, '?');
  EXPECT_THAT(state->Read("residual", 0, absl::MakeSpan(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, "residual"));
}

TEST_P(EveryDeviceState, ReadingPastTheEnd_IsDataLoss) {
  const auto state = Make();
  ASSERT_THAT(state->Write("residual", "12345"), IsOk());
  std::string bytes(3, '?');
  EXPECT_THAT(state->Read("residual", 3, absl::MakeSpan(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, "residual"));
  EXPECT_THAT(state->Read("residual", 9, absl::MakeSpan(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, "residual"));
}

TEST_P(EveryDeviceState, AnEmptyValue_RemovesIt) {
  const auto state = Make();
  ASSERT_THAT(state->Write("residual", "12345"), IsOk());
  ASSERT_THAT(state->Write("residual", ""), IsOk());
  EXPECT_EQ(*state->Size("residual"), 0);
  EXPECT_THAT(state->Write("residual", ""), IsOk());
}

INSTANTIATE_TEST_SUITE_P(States, EveryDeviceState, ::testing::Bool(), [](const auto& param_info) {
  return param_info.param ? "Directory" : "Memory";
});

TEST(DirectoryDeviceState, Values_SurviveTheProcess) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("a/b");
  ASSERT_THAT((*OpenDirectoryDeviceState(path))->Write("residual", "12345"), IsOk());
  const auto again = *OpenDirectoryDeviceState(path);
  EXPECT_EQ(ReadRange(*again, "residual", 0, 5), "12345");
}

TEST(DirectoryDeviceState, ANewDirectory_IsItsOwnersAlone) {
  const TemporaryDirectory directory;
  ASSERT_THAT(OpenDirectoryDeviceState(directory.File("state")), IsOk());
  EXPECT_EQ(std::filesystem::status(directory.File("state")).permissions(),
            std::filesystem::perms::owner_all);
}

TEST(DirectoryDeviceState, TheTemporaryFileOfACrash_NeitherCountsNorHurts) {
  const TemporaryDirectory directory;
  std::ofstream(directory.File("residual.tmp")) << "half of a val";
  const auto state = *OpenDirectoryDeviceState(directory.path());
  EXPECT_EQ(*state->Size("residual"), 0);
  ASSERT_THAT(state->Write("residual", "12345"), IsOk());
  EXPECT_EQ(ReadRange(*state, "residual", 0, 5), "12345");
  EXPECT_FALSE(std::filesystem::exists(directory.File("residual.tmp")));
}

TEST(DirectoryDeviceState, ANameThatIsNoneOfAValue_IsRefused) {
  const TemporaryDirectory directory;
  const auto state = *OpenDirectoryDeviceState(directory.path());
  for (const std::string name : {"", ".", "..", "../residual", "a/b", "Residual", ".hidden",
                                 "residual.tmp", "r\xC3\xA9sidu", "with space"}) {
    const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, "'" + name + "'");
    std::string bytes(1, '?');
    EXPECT_THAT(state->Size(name), refused);
    EXPECT_THAT(state->Read(name, 0, absl::MakeSpan(bytes)), refused);
    EXPECT_THAT(state->Write(name, "x"), refused);
  }
  EXPECT_THAT(state->Write(std::string(65, 'a'), "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, "1 to 64"));
  EXPECT_THAT(state->Write(std::string(64, 'a'), "x"), IsOk());
}

TEST(DirectoryDeviceState, Errors_BeginWithThePath) {
  const TemporaryDirectory directory;
  std::ofstream(directory.File("file")) << "x";
  const auto no_directory = OpenDirectoryDeviceState(directory.File("file"));
  EXPECT_FALSE(no_directory.ok());
  EXPECT_EQ(no_directory.status().message().rfind(directory.File("file"), 0), 0u);

  const auto state = *OpenDirectoryDeviceState(directory.path());
  std::filesystem::create_directory(directory.File("residual"));
  EXPECT_THAT(state->Size("residual"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                directory.File("residual") + ": is not a file"));
  EXPECT_EQ(state->Write("residual", "x").message().rfind(directory.File("residual"), 0), 0u);
}

}  // namespace
}  // namespace tern::client
