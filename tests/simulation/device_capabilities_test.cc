#include "simulation/device_capabilities.h"

#include "gtest/gtest.h"

namespace tern::simulation {
namespace {

TEST(DeclaredCapabilities, AreTheProfile) {
  const DeviceProfile profile = {.name = "phone",
                                 .ram_bytes = 1000,
                                 .storage_bytes = 2000,
                                 .fp32_flops_per_second = 3e9,
                                 .int8_ops_per_second = 4e9,
                                 .joules_per_flop = 5e-10,
                                 .network = {.name = "link",
                                             .downlink_bytes_per_second = 6e6,
                                             .uplink_bytes_per_second = 7e6,
                                             .round_trip = absl::Milliseconds(80),
                                             .joules_per_byte_down = 9e-8,
                                             .joules_per_byte_up = 1e-7}};
  const Capabilities expected = {.ram_bytes = 1000,
                                 .flops_per_second = 3e9,
                                 .downlink_bytes_per_second = 6e6,
                                 .uplink_bytes_per_second = 7e6,
                                 .battery_joules = 11.0,
                                 .storage_bytes = 2000,
                                 .joules_per_flop = 5e-10,
                                 .joules_per_byte_down = 9e-8,
                                 .joules_per_byte_up = 1e-7,
                                 .round_trip = absl::Milliseconds(80)};
  EXPECT_EQ(DeclaredCapabilities(profile, 11.0), expected);
}

TEST(DeclaredCapabilities, OfAProfileWithoutLimits_DeclareNothing) {
  EXPECT_EQ(DeclaredCapabilities({}, 0.0), Capabilities{});
}

TEST(FullBatteryJoules, IsWhatIsAboveTheReserve) {
  EXPECT_EQ(FullBatteryJoules({.capacity_j = 1000.0, .reserve_level = 0.25}), 750.0);
  EXPECT_EQ(FullBatteryJoules({}), 0.0) << "on mains";
}

}  // namespace
}  // namespace tern::simulation
