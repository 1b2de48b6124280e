// The functions of device_profile.h: profiles are YAML files, some of them part of the program.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "core/base/embedded_file.h"
#include "core/base/status_macros.h"
#include "server/config/yaml_to_proto.h"
#include "simulation/device_profile.h"
#include "tern/v1/device_profile.pb.h"

namespace tern::simulation {

// The files of simulation/profiles and simulation/profiles/networks.
absl::Span<const EmbeddedFile> DeviceProfileFiles();
absl::Span<const EmbeddedFile> NetworkProfileFiles();

namespace {

constexpr absl::string_view kSuffix = ".yaml";

std::vector<std::string> Names(absl::Span<const EmbeddedFile> files) {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : files) {
    names.emplace_back(absl::StripSuffix(file.name, kSuffix));
  }
  return names;
}

// A number and the range that makes sense for it.
struct Quantity {
  absl::string_view field;
  double value;
  double min;
  double max;
};

absl::Status CheckQuantities(absl::Span<const Quantity> quantities, const std::string& source,
                             const server::FieldOrigins& origins) {
  for (const Quantity& quantity : quantities) {
    if (quantity.value >= quantity.min && quantity.value <= quantity.max) continue;  // no NaN does
    const auto found = origins.find(std::string(quantity.field));
    return absl::InvalidArgumentError(
        absl::StrCat(found == origins.end() ? source : found->second, ": ", quantity.field, " is ",
                     quantity.value, ", expected ", quantity.min, " to ", quantity.max));
  }
  return absl::OkStatus();
}

// Reads the profile `name_or_path` of `files`, or a file, into `message`; `name`: what it is called
// from now on.
absl::Status ReadProfile(absl::string_view what, absl::string_view name_or_path,
                         absl::Span<const EmbeddedFile> files, google::protobuf::Message* message,
                         server::FieldOrigins* origins, std::string* name) {
  if (absl::EndsWith(name_or_path, kSuffix)) {
    const std::string path(name_or_path);
    *name = std::filesystem::path(path).stem().string();
    return server::MergeYamlFile(path, message, origins);
  }
  *name = std::string(name_or_path);
  for (const EmbeddedFile& file : files) {
    if (absl::StripSuffix(file.name, kSuffix) != name_or_path) continue;
    return server::MergeYamlText(file.contents, std::string(file.name), message, origins);
  }
  return absl::NotFoundError(absl::StrCat("no ", what, " profile '", name_or_path, "'; there are ",
                                          absl::StrJoin(Names(files), ", "),
                                          "; a path that ends in .yaml is read as a file"));
}

BatteryProfile FromProto(const v1::Battery& source) {
  return {.capacity_j = source.capacity_j(),
          .initial_level = source.initial_level(),
          .charge_watts = source.charge_watts(),
          .charge_from_hour = source.charge_from_hour(),
          .charge_to_hour = source.charge_to_hour(),
          .reserve_level = source.reserve_level()};
}

DeviceProfile FromProto(const v1::DeviceProfile& source) {
  return {.ram_bytes = source.ram_bytes(),
          .storage_bytes = source.storage_bytes(),
          .fp32_flops_per_second = source.fp32_flops_per_second(),
          .int8_ops_per_second = source.int8_ops_per_second(),
          .device_variation = source.device_variation(),
          .round_variation = source.round_variation(),
          .joules_per_flop = source.joules_per_flop(),
          .idle_watts = source.idle_watts(),
          .battery = FromProto(source.battery())};
}

NetworkProfile FromProto(const v1::NetworkProfile& source) {
  return {.downlink_bytes_per_second = source.downlink_bytes_per_second(),
          .uplink_bytes_per_second = source.uplink_bytes_per_second(),
          .round_trip = absl::Seconds(source.round_trip_s()),
          .speed_variation = source.speed_variation(),
          .loss = source.loss(),
          .joules_per_byte_down = source.joules_per_byte_down(),
          .joules_per_byte_up = source.joules_per_byte_up()};
}

// The upper ends are far beyond any device: they catch a wrong unit or a slip of the exponent.
constexpr double kMaxBytes = 1e15;
constexpr double kMaxVariation = 3.0;

absl::Status CheckDevice(const DeviceProfile& profile, const std::string& source,
                         const server::FieldOrigins& origins) {
  const BatteryProfile& battery = profile.battery;
  const Quantity quantities[] = {
      {"ram_bytes", static_cast<double>(profile.ram_bytes), 0, kMaxBytes},
      {"storage_bytes", static_cast<double>(profile.storage_bytes), 0, kMaxBytes},
      {"fp32_flops_per_second", profile.fp32_flops_per_second, 0, 1e18},
      {"int8_ops_per_second", profile.int8_ops_per_second, 0, 1e18},
      {"device_variation", profile.device_variation, 0, kMaxVariation},
      {"round_variation", profile.round_variation, 0, kMaxVariation},
      {"joules_per_flop", profile.joules_per_flop, 0, 1e-3},
      {"idle_watts", profile.idle_watts, 0, 1e4},
      {"battery.capacity_j", battery.capacity_j, 0, 1e9},
      {"battery.initial_level", battery.initial_level, 0, 1},
      {"battery.charge_watts", battery.charge_watts, 0, 1e5},
      {"battery.charge_from_hour", battery.charge_from_hour, 0, 24},
      {"battery.charge_to_hour", battery.charge_to_hour, 0, 24},
      {"battery.reserve_level", battery.reserve_level, 0, 1},
  };
  return CheckQuantities(quantities, source, origins);
}

absl::Status CheckNetwork(const NetworkProfile& profile, const std::string& source,
                          const server::FieldOrigins& origins) {
  const Quantity quantities[] = {
      {"downlink_bytes_per_second", profile.downlink_bytes_per_second, 0, 1e12},
      {"uplink_bytes_per_second", profile.uplink_bytes_per_second, 0, 1e12},
      {"round_trip_s", absl::ToDoubleSeconds(profile.round_trip), 0, 3600},
      {"speed_variation", profile.speed_variation, 0, kMaxVariation},
      {"loss", profile.loss, 0, 0.9},
      {"joules_per_byte_down", profile.joules_per_byte_down, 0, 1},
      {"joules_per_byte_up", profile.joules_per_byte_up, 0, 1},
  };
  return CheckQuantities(quantities, source, origins);
}

}  // namespace

absl::StatusOr<DeviceProfile> LoadDeviceProfile(absl::string_view name_or_path) {
  v1::DeviceProfile message;
  server::FieldOrigins origins;
  std::string name;
  TERN_RETURN_IF_ERROR(
      ReadProfile("device", name_or_path, DeviceProfileFiles(), &message, &origins, &name));
  DeviceProfile profile = FromProto(message);
  profile.name = std::move(name);
  TERN_RETURN_IF_ERROR(CheckDevice(profile, std::string(name_or_path), origins));
  if (message.network().empty()) return profile;
  auto network = LoadNetworkProfile(message.network());
  if (!network.ok()) {
    return absl::Status(
        network.status().code(),
        absl::StrCat(origins["network"], ": network: ", network.status().message()));
  }
  profile.network = *std::move(network);
  return profile;
}

absl::StatusOr<NetworkProfile> LoadNetworkProfile(absl::string_view name_or_path) {
  v1::NetworkProfile message;
  server::FieldOrigins origins;
  std::string name;
  TERN_RETURN_IF_ERROR(
      ReadProfile("network", name_or_path, NetworkProfileFiles(), &message, &origins, &name));
  NetworkProfile profile = FromProto(message);
  profile.name = std::move(name);
  TERN_RETURN_IF_ERROR(CheckNetwork(profile, std::string(name_or_path), origins));
  return profile;
}

std::vector<std::string> DeviceProfileNames() { return Names(DeviceProfileFiles()); }
std::vector<std::string> NetworkProfileNames() { return Names(NetworkProfileFiles()); }

}  // namespace tern::simulation
