#include "simulation/availability.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/random.h"
#include "core/base/random_distributions.h"
#include "core/base/status_macros.h"
#include "server/config/load_population.h"
#include "simulation/availability_segments.h"

namespace tern::simulation {
namespace {

constexpr absl::Duration kHour = absl::Hours(1);

RandomStream StreamOf(uint64_t seed, int64_t device, int64_t slot) {
  return RandomStream({.seed = seed,
                       .round = static_cast<uint64_t>(slot),
                       .client = static_cast<uint64_t>(device),
                       .purpose = RandomPurpose::kAvailability});
}

class AlwaysOn final : public SegmentAvailability {
  Segment SegmentAt(int64_t /*device*/, absl::Duration /*now*/) const override {
    return {.on = true, .end = absl::InfiniteDuration()};
  }
};

// One draw for each device and hour.
class Diurnal final : public SegmentAvailability {
 public:
  Diurnal(const server::AvailabilityOptions& options, uint64_t seed)
      : options_(options), seed_(seed) {}

 private:
  Segment SegmentAt(int64_t device, absl::Duration now) const override {
    absl::Duration rest;
    const int64_t hour = absl::IDivDuration(now, kHour, &rest);
    const double angle =
        2.0 * std::numbers::pi * (static_cast<double>(hour % 24) - options_.peak_hour) / 24.0;
    const double share =
        options_.trough + (options_.peak - options_.trough) * (1.0 + std::cos(angle)) / 2.0;
    RandomStream random = StreamOf(seed_, device, hour);
    return {.on = NextOpenUniform(random) < share, .end = (hour + 1) * kHour};
  }

  const server::AvailabilityOptions options_;
  const uint64_t seed_;
};

// Time is cut into blocks, each of which starts in the steady state and is drawn from a stream of
// its own. Exponential times have no memory, so that the share of devices that are on is the same
// at every time; what happens in one block says nothing about the next.
class Markov final : public SegmentAvailability {
 public:
  Markov(const server::AvailabilityOptions& options, uint64_t seed)
      : mean_on_(absl::Seconds(options.mean_on_s)),
        mean_off_(absl::Seconds(options.mean_off_s)),
        seed_(seed) {}

 private:
  static constexpr int64_t kCyclesPerBlock = 64;

  Segment SegmentAt(int64_t device, absl::Duration now) const override {
    const absl::Duration cycle = mean_on_ + mean_off_;
    const absl::Duration block = kCyclesPerBlock * cycle;
    absl::Duration rest;
    const int64_t index = absl::IDivDuration(now, block, &rest);
    RandomStream random = StreamOf(seed_, device, index);
    Segment segment{.on = NextOpenUniform(random) < absl::FDivDuration(mean_on_, cycle),
                    .end = index * block};
    const absl::Duration block_end = segment.end + block;
    while (true) {
      // At least a nanosecond, so that a change is one.
      segment.end += std::max((segment.on ? mean_on_ : mean_off_) * NextExponential(random),
                              absl::Nanoseconds(1));
      if (segment.end > now) break;
      segment.on = !segment.on;
    }
    segment.end = std::min(segment.end, block_end);
    return segment;
  }

  const absl::Duration mean_on_;
  const absl::Duration mean_off_;
  const uint64_t seed_;
};

}  // namespace

absl::Duration SegmentAvailability::NextChange(int64_t device, absl::Duration now) const {
  constexpr int kMaxSegments = 100'000;
  const Segment first = SegmentAt(device, now);
  absl::Duration end = first.end;
  for (int i = 0; i < kMaxSegments && end < absl::InfiniteDuration(); ++i) {
    const Segment next = SegmentAt(device, end);
    if (next.on != first.on) return end;
    end = next.end;
  }
  return absl::InfiniteDuration();
}

absl::StatusOr<std::unique_ptr<Availability>> MakeAvailability(
    const server::AvailabilityOptions& options, uint64_t seed) {
  TERN_RETURN_IF_ERROR(server::ValidateAvailabilityOptions(options));
  if (options.kind == "diurnal") return std::make_unique<Diurnal>(options, seed);
  if (options.kind == "markov") return std::make_unique<Markov>(options, seed);
  if (options.kind == "trace") return LoadAvailabilityTrace(options.file);
  return std::make_unique<AlwaysOn>();
}

}  // namespace tern::simulation
