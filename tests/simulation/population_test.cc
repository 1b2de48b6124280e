#include "simulation/population.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::simulation {
namespace {

using ::testing::HasSubstr;

TEST(PopulationTest, WithoutGroups_DevicesHaveNoLimitsAndNoTimePasses) {
  const auto population = Population::Create({}, 7, 1);
  ASSERT_TRUE(population.ok());
  EXPECT_TRUE(population->is_timeless());
  EXPECT_EQ(population->num_clients(), 7);
  EXPECT_EQ(population->class_of(0), 0u);
  EXPECT_EQ(population->class_of(6), 0u);
  EXPECT_EQ(population->classes()[0].profile.ram_bytes, 0);
}

TEST(PopulationTest, ClassesFollowOneAnother_InShares) {
  const auto population =
      Population::Create({{.profile = "phone_low", .fraction = 0.3},
                          {.profile = "laptop", .fraction = 0.45, .network = "4g"},
                          {.profile = "raspberry_pi_4", .fraction = 0.25}},
                         10, 1);
  ASSERT_TRUE(population.ok()) << population.status();
  EXPECT_FALSE(population->is_timeless());
  EXPECT_EQ(population->num_clients(), 10);
  EXPECT_EQ(population->classes()[0].num_clients, 3);
  EXPECT_EQ(population->classes()[1].num_clients, 5);
  EXPECT_EQ(population->classes()[2].num_clients, 2);
  EXPECT_EQ(population->class_of(2), 0u);
  EXPECT_EQ(population->class_of(3), 1u);
  EXPECT_EQ(population->class_of(7), 1u);
  EXPECT_EQ(population->class_of(8), 2u);
  EXPECT_EQ(population->classes()[1].name, "laptop, 4g");
}

TEST(PopulationTest, AGroupMayHaveAnotherRamThanItsProfile) {
  const auto population =
      Population::Create({{.profile = "laptop", .fraction = 1.0, .ram_bytes = 400'000}}, 10, 1);
  ASSERT_TRUE(population.ok());
  EXPECT_EQ(population->classes()[0].profile.ram_bytes, 400'000);
  EXPECT_EQ(population->classes()[0].name, "laptop, wifi, 400.0 kB");
}

TEST(PopulationTest, AnUnknownProfileOrNetwork_IsNotFoundAndNamesThoseThatExist) {
  const auto profile = Population::Create({{.profile = "toaster", .fraction = 1.0}}, 10, 1);
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(profile.status().message(), HasSubstr("raspberry_pi_4"));
  const auto network =
      Population::Create({{.profile = "laptop", .fraction = 1.0, .network = "5g"}}, 10, 1);
  EXPECT_EQ(network.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(network.status().message(), HasSubstr("4g"));
}

TEST(PopulationTest, AFractionOfNoDevice_IsAnErrorThatNamesIt) {
  const auto population = Population::Create(
      {{.profile = "laptop", .fraction = 0.99}, {.profile = "phone_low", .fraction = 0.01}}, 10, 1);
  EXPECT_EQ(population.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(population.status().message(), HasSubstr("'phone_low'"));
}

}  // namespace
}  // namespace tern::simulation
