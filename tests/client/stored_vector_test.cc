#include "client/stored_vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/status_matchers.h"

namespace tern::client {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr StoredVector kAll[] = {kStoredResidual, kStoredControl, kStoredPersonal};

Lease SomeLease() {
  return {.task = "quickstart", .plan = {.submodel = "heterofl(0.5)"}, .model_version = 7};
}

class StoredVectorTest : public ::testing::Test {
 protected:
  void Write(const StoredVector& which, const std::vector<float>& values,
             ResidualFormat format = ResidualFormat::kFloat32) {
    std::string buffer;
    ASSERT_THAT(WriteStoredVector(which, SomeLease(), values, format, buffer, state_), IsOk());
  }
  absl::StatusOr<bool> Add(const StoredVector& which, float factor, std::vector<float>& values,
                           const Lease& lease = SomeLease()) {
    const auto constant = [factor](uint64_t) { return factor; };
    return AddStoredVector(which, lease, constant, state_, absl::MakeSpan(values));
  }
  std::string Stored(const StoredVector& which) {
    std::string bytes(static_cast<size_t>(*state_.Size(which.name)), '\0');
    EXPECT_THAT(state_.Read(which.name, 0, absl::MakeSpan(bytes)), IsOk());
    return bytes;
  }

  MemoryDeviceState state_;
};

TEST_F(StoredVectorTest, EachKind_HasAValueOfItsOwn) {
  float first = 1.0f;
  for (const StoredVector& which : kAll) Write(which, {first++, 5.0f});
  first = 1.0f;
  for (const StoredVector& which : kAll) {
    std::vector<float> values = {10.0f, 10.0f};
    EXPECT_EQ(*Add(which, -2.0f, values), true);
    EXPECT_THAT(values, ElementsAre(10.0f - 2.0f * first++, 0.0f));
  }
}

TEST_F(StoredVectorTest, WithoutAValueOrWithoutWeight_NothingIsAdded) {
  std::vector<float> values = {1.0f, 1.0f};
  EXPECT_EQ(*Add(kStoredControl, 1.0f, values), false);
  Write(kStoredControl, {2.0f, 3.0f});
  EXPECT_EQ(*Add(kStoredControl, 0.0f, values), false);
  EXPECT_EQ(*Add(kStoredPersonal, 1.0f, values), false);
  EXPECT_THAT(values, Each(1.0f));
}

TEST_F(StoredVectorTest, AValueOfSomethingElse_IsPassedOver) {
  Write(kStoredControl, {2.0f, 3.0f});
  std::vector<Lease> others(3, SomeLease());
  others[0].task = "another";
  others[1].plan.submodel = "";
  others[2].model_version = 6;
  std::vector<float> values = {1.0f, 1.0f};
  for (const Lease& lease : others) EXPECT_EQ(*Add(kStoredControl, 1.0f, values, lease), false);
  EXPECT_THAT(values, Each(1.0f));
  std::vector<float> three(3, 1.0f);
  EXPECT_EQ(*Add(kStoredControl, 1.0f, three), false);
  EXPECT_THAT(three, Each(1.0f));
}

TEST_F(StoredVectorTest, Age_IsByHowManyVersionsTheModelIsAhead) {
  Write(kStoredControl, {2.0f});
  Lease later = SomeLease();
  later.model_version = 17;
  std::vector<float> values = {0.0f};
  const auto age_itself = [](uint64_t age) { return static_cast<float>(age); };
  EXPECT_EQ(*AddStoredVector(kStoredControl, later, age_itself, state_, absl::MakeSpan(values)),
            true);
  EXPECT_THAT(values, ElementsAre(20.0f));
}

// docs/wire-format.md; the residual's are compared with golden ones in error_feedback_test.cc.
TEST_F(StoredVectorTest, Kinds_DifferByTheirFirstBytesAndTheChecksum) {
  for (const StoredVector& which : kAll) Write(which, {1.5f, -2.0f, 0.0f, 0.25f});
  const std::string residual = Stored(kStoredResidual);
  for (const auto& [which, magic] :
       {std::pair{kStoredControl, "TERNCTRL"}, std::pair{kStoredPersonal, "TERNPERS"}}) {
    const std::string bytes = Stored(which);
    EXPECT_EQ(bytes.substr(0, 8), magic);
    EXPECT_EQ(bytes.substr(8, 52), residual.substr(8, 52));
    EXPECT_NE(bytes.substr(60, 4), residual.substr(60, 4));
    EXPECT_EQ(bytes.substr(64), residual.substr(64));
  }
}

TEST_F(StoredVectorTest, AValueUnderAnothersName_IsDamaged) {
  Write(kStoredResidual, {1.0f});
  ASSERT_THAT(state_.Write(kStoredControl.name, Stored(kStoredResidual)), IsOk());
  std::vector<float> values = {1.0f};
  EXPECT_THAT(Add(kStoredControl, 1.0f, values),
              StatusIs(absl::StatusCode::kDataLoss,
                       "the value 'control' is damaged: it does not begin with its name"));
  EXPECT_THAT(values, Each(1.0f));
}

}  // namespace
}  // namespace tern::client
