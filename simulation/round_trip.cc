#include "simulation/round_trip.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/base/random_distributions.h"

namespace tern::simulation {
namespace {

constexpr double kSegmentBytes = 1460.0;  // TCP's over Ethernet
constexpr double kMathisConstant = 1.22;
constexpr absl::Duration kHour = absl::Hours(1);
constexpr absl::Duration kDay = absl::Hours(24);

double LogNormal(double variation, RandomStream& random) {
  // Drawn even where it makes no difference: a number must not depend on the ones before it.
  return std::exp(variation * NextNormal(random));
}

Leg TransferLeg(const NetworkProfile& network, double bytes_per_second, double joules_per_byte,
                int64_t bytes) {
  const double sent = static_cast<double>(bytes) / (1.0 - network.loss);
  Leg leg{.duration = network.round_trip, .energy_j = sent * joules_per_byte};
  leg.traffic.bytes_retransmitted = std::llround(sent) - bytes;
  if (bytes_per_second <= 0.0) return leg;
  const double round_trip_s = absl::ToDoubleSeconds(network.round_trip);
  if (network.loss > 0.0 && round_trip_s > 0.0) {
    bytes_per_second = std::min(bytes_per_second, kMathisConstant * kSegmentBytes /
                                                      (round_trip_s * std::sqrt(network.loss)));
  }
  leg.duration += absl::Seconds(sent / bytes_per_second);
  return leg;
}

}  // namespace

DeviceSpeed DrawDeviceSpeed(const DeviceProfile& profile, uint64_t seed, int64_t client,
                            uint64_t round) {
  const auto device = static_cast<uint64_t>(client);
  RandomStream of_device({.seed = seed, .client = device, .purpose = RandomPurpose::kDevice});
  RandomStream of_round(
      {.seed = seed, .round = round, .client = device, .purpose = RandomPurpose::kNetwork});
  DeviceSpeed speed;
  speed.flops_per_second = profile.fp32_flops_per_second *
                           LogNormal(profile.device_variation, of_device) *
                           LogNormal(profile.round_variation, of_round);
  const NetworkProfile& network = profile.network;
  speed.downlink_bytes_per_second =
      network.downlink_bytes_per_second * LogNormal(network.speed_variation, of_round);
  speed.uplink_bytes_per_second =
      network.uplink_bytes_per_second * LogNormal(network.speed_variation, of_round);
  return speed;
}

Leg DownloadLeg(const NetworkProfile& network, double bytes_per_second,
                const server::Traffic& traffic) {
  Leg leg =
      TransferLeg(network, bytes_per_second, network.joules_per_byte_down, traffic.bytes_down);
  leg.energy_j += static_cast<double>(traffic.bytes_up) * network.joules_per_byte_up;
  leg.traffic += traffic;
  return leg;
}

Leg UploadLeg(const NetworkProfile& network, double bytes_per_second, int64_t bytes) {
  Leg leg = TransferLeg(network, bytes_per_second, network.joules_per_byte_up, bytes);
  leg.traffic.bytes_up = bytes;
  return leg;
}

Leg TrainLeg(const DeviceProfile& profile, double flops_per_second, double flops) {
  Leg leg{.energy_j = flops * profile.joules_per_flop};
  if (flops_per_second > 0.0) leg.duration = absl::Seconds(flops / flops_per_second);
  return leg;
}

Leg PartOf(const Leg& leg, double share) {
  const auto part = [share](int64_t bytes) {
    return static_cast<int64_t>(share * static_cast<double>(bytes));
  };
  return {.duration = share * leg.duration,
          .energy_j = share * leg.energy_j,
          .traffic = {.bytes_up = part(leg.traffic.bytes_up),
                      .bytes_down = part(leg.traffic.bytes_down),
                      .bytes_retransmitted = part(leg.traffic.bytes_retransmitted)}};
}

Battery::Battery(const DeviceProfile* profile, uint64_t seed, int64_t client) : profile_(profile) {
  RandomStream random({.seed = seed,
                       .round = 1,  // speeds are drawn from round 0
                       .client = static_cast<uint64_t>(client),
                       .purpose = RandomPurpose::kDevice});
  const double initial = profile->battery.initial_level;
  const double level = initial + (1.0 - initial) * static_cast<double>(random.NextFloat());
  level_j_ = level * profile->battery.capacity_j;
}

bool Battery::Charges(absl::Duration now) const {
  const absl::Duration time = now % kDay;
  const absl::Duration from = profile_->battery.charge_from_hour * kHour;
  const absl::Duration to = profile_->battery.charge_to_hour * kHour;
  return from <= to ? time >= from && time < to : time >= from || time < to;
}

void Battery::AdvanceTo(absl::Duration now) {
  const BatteryProfile& battery = profile_->battery;
  if (battery.capacity_j <= 0.0) return;
  while (now_ < now) {
    // Up to the next moment at which charging may begin or end.
    absl::Duration next = now;
    for (const double hour : {battery.charge_from_hour, battery.charge_to_hour}) {
      absl::Duration edge = now_ - now_ % kDay + hour * kHour;
      if (edge <= now_) edge += kDay;
      next = std::min(next, edge);
    }
    const double watts = (Charges(now_) ? battery.charge_watts : 0.0) - profile_->idle_watts;
    level_j_ =
        std::clamp(level_j_ + watts * absl::ToDoubleSeconds(next - now_), 0.0, battery.capacity_j);
    now_ = next;
  }
}

void Battery::Spend(double energy_j) { level_j_ = std::max(0.0, level_j_ - energy_j); }

double Battery::Budget() const {
  const BatteryProfile& battery = profile_->battery;
  if (battery.capacity_j <= 0.0) return std::numeric_limits<double>::infinity();
  return std::max(0.0, level_j_ - battery.reserve_level * battery.capacity_j);
}

}  // namespace tern::simulation
