// What a codec makes of one update: bytes, error, speed and memory.
#ifndef TERN_SIMULATION_CODEC_MEASUREMENT_H_
#define TERN_SIMULATION_CODEC_MEASUREMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "compression/codec.h"
#include "core/base/clock.h"

namespace tern::simulation {

struct CodecMeasurement {
  std::string codec;          // canonical
  int64_t count = 0;          // coordinates
  int64_t frame_bytes = 0;    // header included
  int64_t scratch_bytes = 0;  // of the encoder
  // Squared error over the squared norm of the update, in 64-bit floats.
  double nmse = 0.0;
  // Of 32-bit floats; none: not timed.
  std::optional<double> encode_bytes_per_s;
  std::optional<double> decode_bytes_per_s;

  double bits_per_parameter() const;
  // Than the update as 32-bit floats.
  double times_smaller() const;
  // Bits per parameter above the rate-distortion function of a Gaussian source, R(D) = -1/2 log2 D
  // (Cover & Thomas, "Elements of Information Theory", theorem 10.3.2), at D = nmse; none: no
  // error.
  std::optional<double> distance_bits() const;
};

inline constexpr int kMaxRepetitions = 1'000'000;

struct MeasureOptions {
  const Clock* clock = nullptr;  // null: not timed; must outlive the call
  // Whose median is taken, at most kMaxRepetitions; 0: as many as take 0.2 s, 5 at least.
  int repetitions = 0;
};

// On one thread. Encoding: of the whole frame, checksum included. Decoding: a validated payload is
// added to the sum of the aggregator `mean`, as a coordinator does; what `rotate` has rotated stays
// so, as it is rotated back once in a round. `update`: one coordinate or more, finite.
// INVALID_ARGUMENT as Encoder::Encode and MakeAggregator; the message names the codec.
absl::StatusOr<CodecMeasurement> MeasureCodec(const compression::CodecSpec& spec,
                                              absl::Span<const float> update,
                                              const MeasureOptions& options);

// One or more of every stage. `update`: what a threshold is chosen for.
std::vector<std::string> DefaultCodecs(absl::Span<const float> update);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_CODEC_MEASUREMENT_H_
