// What a round takes a simulated device: time, energy and bytes of its download, its training and
// its upload, and how much of each is done when something breaks it off.
#ifndef TERN_SIMULATION_ROUND_TRIP_H_
#define TERN_SIMULATION_ROUND_TRIP_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"
#include "server/round_record.h"
#include "simulation/device_profile.h"

namespace tern::simulation {

// How fast a device is in a round: its profile with what differs between devices and rounds, a
// function of (seed, client, round).
struct DeviceSpeed {
  double flops_per_second = 0.0;  // 0: takes no time; so are the others
  double downlink_bytes_per_second = 0.0;
  double uplink_bytes_per_second = 0.0;
};
DeviceSpeed DrawDeviceSpeed(const DeviceProfile& profile, uint64_t seed, int64_t client,
                            uint64_t round);

// A part of a round trip.
struct Leg {
  absl::Duration duration;
  double energy_j = 0.0;
  server::Traffic traffic;
};

// A link that loses packets carries at most MSS / RTT * 1.22 / sqrt(loss) bytes a second (Mathis et
// al. 1997), and what was lost is sent again.
// `traffic`: the model that comes down and the request that goes up.
Leg DownloadLeg(const NetworkProfile& network, double bytes_per_second,
                const server::Traffic& traffic);
Leg UploadLeg(const NetworkProfile& network, double bytes_per_second, int64_t bytes);
Leg TrainLeg(const DeviceProfile& profile, double flops_per_second, double flops);

// The first `share` in [0, 1] of a leg.
Leg PartOf(const Leg& leg, double share);

// A device's battery over virtual time, which starts at midnight. On mains it is never empty.
class Battery {
 public:
  // `profile` must outlive the battery.
  Battery(const DeviceProfile* profile, uint64_t seed, int64_t client);

  // Lets time pass up to `now`: the device idles, and charges in its hours.
  void AdvanceTo(absl::Duration now);
  void Spend(double energy_j);
  // What may be spent without going below the reserve, at least 0; infinite on mains.
  double Budget() const;

 private:
  bool Charges(absl::Duration now) const;

  const DeviceProfile* profile_;
  double level_j_;
  absl::Duration now_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ROUND_TRIP_H_
