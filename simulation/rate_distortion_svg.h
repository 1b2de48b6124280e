// What codecs take and what they lose, as a picture.
#ifndef TERN_SIMULATION_RATE_DISTORTION_SVG_H_
#define TERN_SIMULATION_RATE_DISTORTION_SVG_H_

#include <string>

#include "absl/types/span.h"
#include "simulation/codec_measurement.h"

namespace tern::simulation {

// A file that loads nothing, 1000 pixels wide, 700 high: bits per parameter to the right, a
// logarithmic scale, NMSE in decibels upwards; a mark with its name for each codec, its numbers
// under the pointer, and D = 2^-2R, the least NMSE that R bits allow for a Gaussian source. Codecs
// without an error are named in the last line.
std::string RateDistortionSvg(const std::string& update,
                              absl::Span<const CodecMeasurement> measurements);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_RATE_DISTORTION_SVG_H_
