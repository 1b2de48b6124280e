#include "client/error_feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/testing/status_matchers.h"

namespace tern::client {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

const std::vector<float> kResidual = {1.5f, -2.0f, 0.0f, 0.25f};

Lease SomeLease() {
  return {.task = "quickstart", .plan = {.submodel = "heterofl(0.5)"}, .model_version = 7};
}

std::string Stored(DeviceState& state) {
  std::string bytes(static_cast<size_t>(*state.Size(kResidualName)), '\0');
  EXPECT_THAT(state.Read(kResidualName, 0, absl::MakeSpan(bytes)), IsOk());
  return bytes;
}

class ErrorFeedbackTest : public ::testing::Test {
 protected:
  void Write(const std::vector<float>& residual = kResidual) {
    std::string buffer = "what was in it";
    ASSERT_THAT(WriteResidual(SomeLease(), residual, buffer, state_), IsOk());
  }
  // What AddResidual adds to zeros.
  std::vector<float> Added(const Lease& lease, size_t count = 4) {
    std::vector<float> update(count, 0.0f);
    EXPECT_THAT(AddResidual(lease, state_, absl::MakeSpan(update)), IsOk());
    return update;
  }

  MemoryDeviceState state_;
};

TEST_F(ErrorFeedbackTest, Residual_IsAddedToTheUpdate) {
  Write();
  std::vector<float> update = {1, 1, 1, 1};
  ASSERT_THAT(AddResidual(SomeLease(), state_, absl::MakeSpan(update)), IsOk());
  EXPECT_THAT(update, ElementsAre(2.5f, -1.0f, 1.0f, 1.25f));
}

TEST_F(ErrorFeedbackTest, Residual_MayBeOfAnOlderModel) {
  Write();
  Lease lease = SomeLease();
  lease.model_version = 70;
  EXPECT_EQ(Added(lease), kResidual);
}

TEST_F(ErrorFeedbackTest, Blocks_AreAddedInTheirPlaces) {
  std::vector<float> residual;
  for (int i = 0; i < 3 * 4096 + 17; ++i) residual.push_back(static_cast<float>(i) - 5000.0f);
  Write(residual);
  EXPECT_EQ(Added(SomeLease(), residual.size()), residual);
}

TEST_F(ErrorFeedbackTest, NoResidual_AddsNothing) { EXPECT_THAT(Added(SomeLease()), Each(0.0f)); }

TEST_F(ErrorFeedbackTest, ResidualOfSomethingElse_AddsNothing) {
  Write();
  Lease other_task = SomeLease();
  other_task.task = "another";
  EXPECT_THAT(Added(other_task), Each(0.0f));
  Lease other_submodel = SomeLease();
  other_submodel.plan.submodel = "";
  EXPECT_THAT(Added(other_submodel), Each(0.0f));
  // Where task and submodel meet makes a difference.
  Lease moved = SomeLease();
  moved.task = "quickstarth";
  moved.plan.submodel = "eterofl(0.5)";
  EXPECT_THAT(Added(moved), Each(0.0f));
  Lease earlier_model = SomeLease();
  earlier_model.model_version = 6;
  EXPECT_THAT(Added(earlier_model), Each(0.0f));
  EXPECT_THAT(Added(SomeLease(), 5), Each(0.0f));
}

TEST_F(ErrorFeedbackTest, Damage_IsSaidAndAddsNothing) {
  Write();
  const std::string stored = Stored(state_);
  const auto added = [&](const std::string& bytes) {
    std::vector<float> update(4, 0.0f);
    EXPECT_THAT(state_.Write(kResidualName, bytes), IsOk());
    const absl::Status status = AddResidual(SomeLease(), state_, absl::MakeSpan(update));
    EXPECT_THAT(update, Each(0.0f));
    return status;
  };
  EXPECT_THAT(added("short"), StatusIs(kDataLoss, "it has 5 bytes, expected a header of 64"));
  EXPECT_THAT(added("X" + stored.substr(1)), StatusIs(kDataLoss, "does not begin with its name"));
  std::string version = stored;
  version[8] = 2;
  EXPECT_THAT(added(version), StatusIs(kDataLoss, "its format version is 2, expected 1"));
  EXPECT_THAT(added(stored.substr(0, 79)), StatusIs(kDataLoss, "it has 79 bytes, expected 80"));
  EXPECT_THAT(added(stored + "x"), StatusIs(kDataLoss, "it has 81 bytes, expected 80"));
  // A flipped bit is found by the checksum, or makes it a residual of something else.
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    std::string flipped = stored;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const absl::Status status = added(flipped);
    if (bit < 8 * 60) continue;
    EXPECT_THAT(status, StatusIs(kDataLoss, "its checksum is 0x"));
  }
}

// Made from docs/wire-format.md by a program of its own.
TEST_F(ErrorFeedbackTest, StoredBytes_AreThoseOfTheDescription) {
  std::ifstream file("tests/golden/residual.hex");
  ASSERT_TRUE(file.is_open()) << "run from the root of the repository";
  std::string digits;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') digits += line;
  }
  Write();
  EXPECT_EQ(absl::BytesToHexString(Stored(state_)), digits);
}

TEST_F(ErrorFeedbackTest, TheBuffer_NeedsNoMoreThanTheValue) {
  std::string buffer;
  buffer.reserve(64 + 16);
  const char* const before = buffer.data();
  ASSERT_THAT(WriteResidual(SomeLease(), kResidual, buffer, state_), IsOk());
  EXPECT_EQ(buffer.data(), before);
  EXPECT_EQ(buffer.size(), 80u);
}

}  // namespace
}  // namespace tern::client
