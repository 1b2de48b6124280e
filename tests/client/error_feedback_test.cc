#include "client/error_feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "client/stored_vector.h"
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
  std::string bytes(static_cast<size_t>(*state.Size(kStoredResidual.name)), '\0');
  EXPECT_THAT(state.Read(kStoredResidual.name, 0, absl::MakeSpan(bytes)), IsOk());
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

TEST_F(ErrorFeedbackTest, AnOlderModelsResidual_Decays) {
  Write();
  Lease lease = SomeLease();
  lease.plan.residual.decay = 0.5f;
  EXPECT_EQ(Added(lease), kResidual);
  lease.model_version = 8;
  EXPECT_THAT(Added(lease), ElementsAre(0.75f, -1.0f, 0.0f, 0.125f));
  lease.model_version = 10;
  EXPECT_THAT(Added(lease), ElementsAre(0.1875f, -0.25f, 0.0f, 0.03125f));
  lease.model_version = 4000000000;
  EXPECT_THAT(Added(lease), Each(0.0f));
}

TEST_F(ErrorFeedbackTest, ResidualBeyondTheLargestAge_AddsNothing) {
  Write();
  Lease lease = SomeLease();
  lease.plan.residual.max_age = 3;
  lease.model_version = 10;
  EXPECT_EQ(Added(lease), kResidual);
  lease.model_version = 11;
  EXPECT_THAT(Added(lease), Each(0.0f));
}

TEST_F(ErrorFeedbackTest, Bfloat16_TakesHalfTheBytesAndIsRoundedToNearest) {
  Lease lease = SomeLease();
  lease.plan.residual.format = ResidualFormat::kBfloat16;
  const std::vector<float> residual = {1.5f, 1.00390625f, 1.01171875f, -3e38f, 3.4e38f, 1e-40f};
  std::string buffer;
  ASSERT_THAT(WriteResidual(lease, residual, buffer, state_), IsOk());
  EXPECT_EQ(*state_.Size(kStoredResidual.name), 64 + 12);
  // 1 + 2^-8 lies in the middle of two, and goes to the even one; so does 1 + 3 * 2^-8.
  EXPECT_THAT(
      Added(lease, 6),
      ElementsAre(1.5f, 1.0f, 1.015625f, ::testing::FloatNear(-3e38f, 1e36f),
                  ::testing::FloatNear(3.39e38f, 1e36f), ::testing::FloatNear(1e-40f, 5e-41f)));
  // What is stored says how: a plan of the other format reads it, too.
  EXPECT_EQ(Added(SomeLease(), 6), Added(lease, 6));
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
    EXPECT_THAT(state_.Write(kStoredResidual.name, bytes), IsOk());
    const absl::Status status = AddResidual(SomeLease(), state_, absl::MakeSpan(update));
    EXPECT_THAT(update, Each(0.0f));
    return status;
  };
  EXPECT_THAT(added("short"), StatusIs(kDataLoss, "it has 5 bytes, expected a header of 64"));
  EXPECT_THAT(added("X" + stored.substr(1)), StatusIs(kDataLoss, "does not begin with its name"));
  std::string version = stored;
  version[8] = 3;
  EXPECT_THAT(added(version), StatusIs(kDataLoss, "its format version is 3, expected 1 or 2"));
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
std::string GoldenDigits(const std::string& name) {
  std::ifstream file("tests/golden/" + name);
  EXPECT_TRUE(file.is_open()) << "run from the root of the repository";
  std::string digits;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') digits += line;
  }
  return digits;
}

TEST_F(ErrorFeedbackTest, StoredBytes_AreThoseOfTheDescription) {
  Write();
  EXPECT_EQ(absl::BytesToHexString(Stored(state_)), GoldenDigits("residual.hex"));
}

TEST_F(ErrorFeedbackTest, StoredBytesInBfloat16_AreThoseOfTheDescription) {
  Lease lease = SomeLease();
  lease.plan.residual.format = ResidualFormat::kBfloat16;
  std::string buffer;
  ASSERT_THAT(WriteResidual(lease, {{1.5f, -2.0f, 1.00390625f, 0.1f}}, buffer, state_), IsOk());
  EXPECT_EQ(absl::BytesToHexString(Stored(state_)), GoldenDigits("residual_bfloat16.hex"));
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
