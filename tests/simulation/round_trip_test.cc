#include "simulation/round_trip.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tern::simulation {
namespace {

using ::testing::DoubleNear;

constexpr absl::Duration kHour = absl::Hours(1);

NetworkProfile Link() {
  return {.name = "link",
          .downlink_bytes_per_second = 1e6,
          .uplink_bytes_per_second = 5e5,
          .round_trip = absl::Milliseconds(50),
          .joules_per_byte_down = 1e-6,
          .joules_per_byte_up = 4e-6};
}

TEST(RoundTripTest, ATransferTakesARoundTripAndItsBytes) {
  const Leg down = DownloadLeg(Link(), 1e6, {.bytes_down = 2'000'000});
  EXPECT_EQ(down.duration, absl::Milliseconds(2050));
  EXPECT_DOUBLE_EQ(down.energy_j, 2.0);
  EXPECT_EQ(down.traffic.bytes_down, 2'000'000);
  EXPECT_EQ(down.traffic.bytes_up, 0);
  const Leg up = UploadLeg(Link(), 5e5, 1'000'000);
  EXPECT_EQ(up.duration, absl::Milliseconds(2050));
  EXPECT_DOUBLE_EQ(up.energy_j, 4.0);
  EXPECT_EQ(up.traffic.bytes_up, 1'000'000);
  EXPECT_EQ(up.traffic.bytes_retransmitted, 0);
}

TEST(RoundTripTest, WhatIsLostIsSentAgain_AndCountsApart) {
  NetworkProfile link = Link();
  link.loss = 0.2;
  link.round_trip = absl::ZeroDuration();
  const Leg leg = DownloadLeg(link, 1e6, {.bytes_down = 1'000'000});
  EXPECT_EQ(leg.traffic.bytes_down, 1'000'000);
  EXPECT_EQ(leg.traffic.bytes_retransmitted, 250'000);
  EXPECT_DOUBLE_EQ(leg.energy_j, 1.25);
  EXPECT_THAT(absl::ToDoubleSeconds(leg.duration), DoubleNear(1.25, 1e-9));
}

// 1460 B / 0.1 s * 1.22 / sqrt(0.01) = 178,120 B/s.
TEST(RoundTripTest, LossBoundsWhatALongLinkCarries) {
  NetworkProfile link = Link();
  link.loss = 0.01;
  link.round_trip = absl::Milliseconds(100);
  const Leg leg = DownloadLeg(link, 1e6, {.bytes_down = 178'120 * 99});
  EXPECT_THAT(absl::ToDoubleSeconds(leg.duration), DoubleNear(0.1 + 100.0, 0.01));
  // A slower link is not bounded by it.
  EXPECT_THAT(absl::ToDoubleSeconds(DownloadLeg(link, 1e4, {.bytes_down = 9900}).duration),
              DoubleNear(0.1 + 1.0, 1e-6));
}

TEST(RoundTripTest, WhatIsNotKnownTakesNoTime) {
  EXPECT_EQ(DownloadLeg({}, 0.0, {.bytes_down = 1000}).duration, absl::ZeroDuration());
  EXPECT_EQ(TrainLeg({}, 0.0, 1e12).duration, absl::ZeroDuration());
}

TEST(RoundTripTest, TrainingTakesItsOperations) {
  const Leg leg = TrainLeg({.joules_per_flop = 1e-9}, 2e9, 1e10);
  EXPECT_EQ(leg.duration, absl::Seconds(5));
  EXPECT_DOUBLE_EQ(leg.energy_j, 10.0);
}

TEST(RoundTripTest, APartOfALegIsThatShareOfAllOfIt) {
  const Leg part = PartOf(DownloadLeg(Link(), 1e6, {.bytes_down = 1'000'000}), 0.25);
  EXPECT_EQ(part.traffic.bytes_down, 250'000);
  EXPECT_DOUBLE_EQ(part.energy_j, 0.25);
  EXPECT_EQ(PartOf(part, 0.0).traffic.bytes_down, 0);
}

TEST(RoundTripTest, ADeviceIsAsFastAsItsProfile_WhereNothingVaries) {
  const DeviceProfile profile{.fp32_flops_per_second = 1e9, .network = Link()};
  const DeviceSpeed speed = DrawDeviceSpeed(profile, 1, 2, 3);
  EXPECT_DOUBLE_EQ(speed.flops_per_second, 1e9);
  EXPECT_DOUBLE_EQ(speed.downlink_bytes_per_second, 1e6);
  EXPECT_DOUBLE_EQ(speed.uplink_bytes_per_second, 5e5);
}

// Over 4000 devices the mean of the logarithm is within 4.5 / sqrt(4000) standard deviations of 0
// but for a chance of 7e-6.
TEST(RoundTripTest, SpeedsVaryFromDeviceToDeviceAndFromRoundToRound) {
  DeviceProfile profile{.fp32_flops_per_second = 1.0, .device_variation = 0.5, .network = Link()};
  double sum = 0.0;
  for (int64_t client = 0; client < 4000; ++client) {
    const double speed = DrawDeviceSpeed(profile, 1, client, 1).flops_per_second;
    EXPECT_EQ(DrawDeviceSpeed(profile, 1, client, 2).flops_per_second, speed);
    sum += std::log(speed);
  }
  EXPECT_LT(std::abs(sum / 4000), 4.5 * 0.5 / std::sqrt(4000.0));
  profile.round_variation = 0.1;
  EXPECT_NE(DrawDeviceSpeed(profile, 1, 5, 1).flops_per_second,
            DrawDeviceSpeed(profile, 1, 5, 2).flops_per_second);
}

DeviceProfile BatteryDevice() {
  return {.idle_watts = 1.0,
          .battery = {.capacity_j = 36'000.0,
                      .initial_level = 1.0,
                      .charge_watts = 3.0,
                      .charge_from_hour = 22.0,
                      .charge_to_hour = 6.0,
                      .reserve_level = 0.25}};
}

TEST(BatteryTest, OnMainsTheBudgetIsInfinite) {
  const DeviceProfile mains{.idle_watts = 5.0};
  Battery battery(&mains, 1, 1);
  battery.AdvanceTo(24 * kHour);
  battery.Spend(1e9);
  EXPECT_TRUE(std::isinf(battery.Budget()));
}

TEST(BatteryTest, ChargesInItsHoursAndIdlesInTheOthers) {
  const DeviceProfile profile = BatteryDevice();
  Battery battery(&profile, 1, 1);
  EXPECT_DOUBLE_EQ(battery.Budget(), 27'000.0);
  battery.AdvanceTo(6 * kHour);  // full, and charging until six
  EXPECT_DOUBLE_EQ(battery.Budget(), 27'000.0);
  battery.AdvanceTo(11 * kHour);  // five hours at one watt
  EXPECT_DOUBLE_EQ(battery.Budget(), 27'000.0 - 18'000.0);
  battery.AdvanceTo(22 * kHour);  // eleven more: empty
  EXPECT_DOUBLE_EQ(battery.Budget(), 0.0);
  battery.AdvanceTo(24 * kHour);  // two hours at three watts, less one
  EXPECT_DOUBLE_EQ(battery.Budget(), 14'400.0 - 9000.0);
}

TEST(BatteryTest, OneStepIsAsGoodAsMany) {
  const DeviceProfile profile = BatteryDevice();
  Battery one(&profile, 1, 1);
  Battery many(&profile, 1, 1);
  one.AdvanceTo(50 * kHour);
  for (int i = 1; i <= 500; ++i) many.AdvanceTo(i * kHour / 10);
  EXPECT_NEAR(one.Budget(), many.Budget(), 1e-6);
}

TEST(BatteryTest, DoesNotGoBelowEmpty) {
  const DeviceProfile profile = BatteryDevice();
  Battery battery(&profile, 1, 1);
  battery.Spend(1e9);
  EXPECT_EQ(battery.Budget(), 0.0);
}

}  // namespace
}  // namespace tern::simulation
