#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/device_profile.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Le;
using ::testing::Lt;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;

DeviceProfile Device(const char* name) {
  const auto profile = LoadDeviceProfile(name);
  EXPECT_THAT(profile, IsOk());
  return profile.value_or(DeviceProfile{});
}

NetworkProfile Network(const char* name) {
  const auto profile = LoadNetworkProfile(name);
  EXPECT_THAT(profile, IsOk());
  return profile.value_or(NetworkProfile{});
}

TEST(BuiltInDevices, AreThese) {
  EXPECT_THAT(DeviceProfileNames(),
              ::testing::ElementsAre("cortex_m7", "esp32_s3", "raspberry_pi_zero_2",
                                     "raspberry_pi_4", "raspberry_pi_5", "phone_low", "phone_mid",
                                     "phone_high", "jetson_nano", "laptop"));
  EXPECT_THAT(NetworkProfileNames(), ::testing::ElementsAre("nb_iot", "3g", "4g", "wifi"));
}

TEST(BuiltInDevices, EveryOne_LoadsAndIsSane) {
  for (const std::string& name : DeviceProfileNames()) {
    SCOPED_TRACE(name);
    const DeviceProfile device = Device(name.c_str());
    EXPECT_EQ(device.name, name);
    EXPECT_THAT(device.ram_bytes, AllOf(Ge(100'000), Le(int64_t{64} << 30)));
    EXPECT_THAT(device.storage_bytes, Ge(device.ram_bytes / 4));
    EXPECT_THAT(device.fp32_flops_per_second, AllOf(Ge(1e7), Le(1e12)));
    EXPECT_GT(device.int8_ops_per_second, device.fp32_flops_per_second);
    EXPECT_THAT(device.device_variation, AllOf(Gt(0.0), Le(0.5)));
    EXPECT_THAT(device.round_variation, AllOf(Gt(0.0), Le(0.5)));
    // Power in training: from a tenth of a watt to a laptop's.
    const double watts = device.joules_per_flop * device.fp32_flops_per_second;
    EXPECT_THAT(watts, AllOf(Gt(0.1), Lt(50.0)));
    EXPECT_THAT(device.idle_watts, AllOf(Gt(0.0), Lt(watts)));
    EXPECT_THAT(NetworkProfileNames(), ::testing::Contains(device.network.name));
    EXPECT_GT(device.network.uplink_bytes_per_second, 0.0);
    const BatteryProfile& battery = device.battery;
    if (battery.capacity_j == 0.0) continue;
    EXPECT_LT(battery.reserve_level, battery.initial_level);
    EXPECT_NE(battery.charge_from_hour, battery.charge_to_hour);
    EXPECT_GT(battery.charge_watts, device.idle_watts);
  }
}

TEST(BuiltInDevices, StrongerOnes_AreFasterAndLarger) {
  const char* const series[][3] = {{"phone_low", "phone_mid", "phone_high"},
                                   {"raspberry_pi_zero_2", "raspberry_pi_4", "raspberry_pi_5"},
                                   {"cortex_m7", "raspberry_pi_zero_2", "laptop"},
                                   {"esp32_s3", "phone_low", "laptop"}};
  for (const auto& names : series) {
    for (int i = 0; i < 2; ++i) {
      SCOPED_TRACE(absl::StrCat(names[i], " < ", names[i + 1]));
      const DeviceProfile weaker = Device(names[i]);
      const DeviceProfile stronger = Device(names[i + 1]);
      EXPECT_LT(weaker.ram_bytes, stronger.ram_bytes);
      EXPECT_LT(weaker.fp32_flops_per_second, stronger.fp32_flops_per_second);
      EXPECT_GE(weaker.joules_per_flop, stronger.joules_per_flop);
    }
  }
}

TEST(BuiltInNetworks, BetterOnes_AreFasterQuickerAndCheaper) {
  const std::vector<std::string> names = NetworkProfileNames();
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    const NetworkProfile slower = Network(names[i].c_str());
    const NetworkProfile faster = Network(names[i + 1].c_str());
    SCOPED_TRACE(absl::StrCat(slower.name, " < ", faster.name));
    EXPECT_LT(slower.downlink_bytes_per_second, faster.downlink_bytes_per_second);
    EXPECT_LT(slower.uplink_bytes_per_second, faster.uplink_bytes_per_second);
    EXPECT_GE(slower.downlink_bytes_per_second, slower.uplink_bytes_per_second);
    EXPECT_GT(slower.round_trip, faster.round_trip);
    EXPECT_GE(slower.loss, faster.loss);
    EXPECT_GT(slower.joules_per_byte_down, faster.joules_per_byte_down);
    EXPECT_GT(slower.joules_per_byte_up, faster.joules_per_byte_up);
    EXPECT_GT(faster.joules_per_byte_up, faster.joules_per_byte_down);
  }
}

TEST(LoadDeviceProfile, UnknownName_ListsTheNames) {
  EXPECT_THAT(LoadDeviceProfile("phone"),
              StatusIs(kNotFound,
                       "no device profile 'phone'; there are cortex_m7, esp32_s3, "
                       "raspberry_pi_zero_2, raspberry_pi_4, raspberry_pi_5, phone_low, phone_mid, "
                       "phone_high, jetson_nano, laptop; a path that ends in .yaml is read as a "
                       "file"));
  EXPECT_THAT(LoadNetworkProfile("5g"),
              StatusIs(kNotFound, "no network profile '5g'; there are nb_iot, 3g, 4g, wifi; "));
}

class ProfileFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, absl::string_view yaml) {
    const std::string path = directory_.File(name);
    EXPECT_THAT(WriteFileAtomically(path, yaml), IsOk());
    return path;
  }
  // Of a device profile with these lines.
  void ExpectError(absl::string_view yaml, absl::string_view message) {
    const std::string path = Write("device.yaml", yaml);
    EXPECT_THAT(LoadDeviceProfile(path), StatusIs(kInvalid, absl::StrCat(path, message)));
  }

  const testing::TemporaryDirectory directory_;
};

TEST_F(ProfileFileTest, EveryField_ReachesItsPlace) {
  const std::string network = Write(
      "radio.yaml",
      "downlink_bytes_per_second: 100\nuplink_bytes_per_second: 50\nround_trip_s: 0.25\n"
      "speed_variation: 0.1\nloss: 0.02\njoules_per_byte_down: 1e-6\njoules_per_byte_up: 2e-6\n");
  const auto device = LoadDeviceProfile(
      Write("mine.yaml",
            absl::StrCat("ram_bytes: 1000\nstorage_bytes: 2000\nfp32_flops_per_second: 1e6\n"
                         "int8_ops_per_second: 2e6\ndevice_variation: 0.3\nround_variation: 0.2\n"
                         "joules_per_flop: 1e-9\nidle_watts: 0.5\nnetwork: ",
                         network,
                         "\nbattery: {capacity_j: 10, initial_level: 0.4, charge_watts: 3,\n"
                         "  charge_from_hour: 22, charge_to_hour: 6, reserve_level: 0.1}\n")));
  ASSERT_THAT(device, IsOk());
  EXPECT_EQ(device->name, "mine");
  EXPECT_EQ(device->ram_bytes, 1000);
  EXPECT_EQ(device->storage_bytes, 2000);
  EXPECT_EQ(device->fp32_flops_per_second, 1e6);
  EXPECT_EQ(device->int8_ops_per_second, 2e6);
  EXPECT_EQ(device->device_variation, 0.3);
  EXPECT_EQ(device->round_variation, 0.2);
  EXPECT_EQ(device->joules_per_flop, 1e-9);
  EXPECT_EQ(device->idle_watts, 0.5);
  EXPECT_EQ(device->network.name, "radio");
  EXPECT_EQ(device->network.downlink_bytes_per_second, 100.0);
  EXPECT_EQ(device->network.uplink_bytes_per_second, 50.0);
  EXPECT_EQ(device->network.round_trip, absl::Milliseconds(250));
  EXPECT_EQ(device->network.speed_variation, 0.1);
  EXPECT_EQ(device->network.loss, 0.02);
  EXPECT_EQ(device->network.joules_per_byte_down, 1e-6);
  EXPECT_EQ(device->network.joules_per_byte_up, 2e-6);
  EXPECT_EQ(device->battery.capacity_j, 10.0);
  EXPECT_EQ(device->battery.initial_level, 0.4);
  EXPECT_EQ(device->battery.charge_watts, 3.0);
  EXPECT_EQ(device->battery.charge_from_hour, 22.0);
  EXPECT_EQ(device->battery.charge_to_hour, 6.0);
  EXPECT_EQ(device->battery.reserve_level, 0.1);
}

TEST_F(ProfileFileTest, WhatIsNotGiven_IsWithoutLimit) {
  const auto device = LoadDeviceProfile(Write("bare.yaml", "ram_bytes: 5\n"));
  ASSERT_THAT(device, IsOk());
  EXPECT_EQ(device->fp32_flops_per_second, 0.0);
  EXPECT_EQ(device->network.uplink_bytes_per_second, 0.0);
  EXPECT_EQ(device->battery.capacity_j, 0.0);
}

TEST_F(ProfileFileTest, MalformedFile_NamesLineAndField) {
  ExpectError("ram_bytes: 1\nram: 2\n", ":2: ram: unknown field; did you mean ram_bytes? ");
  ExpectError("ram_bytes: much\n", ":1: ram_bytes: expected an integer, got 'much'");
  ExpectError("", ": expected one mapping with fields of ram_bytes, ");
  ExpectError("ram_bytes: [1\n", ":2:1: malformed YAML");
}

TEST_F(ProfileFileTest, NumberOutOfRange_NamesLineAndField) {
  ExpectError("ram_bytes: -1\n", ":1: ram_bytes is -1, expected 0 to 1e+15");
  ExpectError("\nfp32_flops_per_second: 1e19\n", ":2: fp32_flops_per_second is 1e+19, expected 0");
  ExpectError("idle_watts: .nan\n", ":1: idle_watts");
  ExpectError("battery:\n  charge_to_hour: 25\n",
              ":2: battery.charge_to_hour is 25, expected 0 to 24");
  ExpectError("battery: {reserve_level: 1.5}\n",
              ":1: battery.reserve_level is 1.5, expected 0 to 1");
  const std::string path = Write("lossy.yaml", "uplink_bytes_per_second: 1\nloss: 1\n");
  EXPECT_THAT(LoadNetworkProfile(path),
              StatusIs(kInvalid, absl::StrCat(path, ":2: loss is 1, expected 0 to 0.9")));
}

TEST_F(ProfileFileTest, UnknownNetwork_IsNamedWhereItStands) {
  const std::string path = Write("device.yaml", "ram_bytes: 1\nnetwork: 5g\n");
  EXPECT_THAT(LoadDeviceProfile(path),
              StatusIs(kNotFound, absl::StrCat(path, ":2: network: no network profile '5g'")));
}

TEST_F(ProfileFileTest, NoFile_IsNotFound) {
  EXPECT_THAT(LoadDeviceProfile("no/such.yaml"), StatusIs(kNotFound, "no/such.yaml"));
}

}  // namespace
}  // namespace tern::simulation
