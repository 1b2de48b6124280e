// Updates that codecs are measured on: recorded by a run, or drawn at random.
#ifndef TERN_SIMULATION_UPDATES_H_
#define TERN_SIMULATION_UPDATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern::simulation {

// What a device of a run handed to its encoder.
struct RecordedUpdate {
  uint64_t round = 0;
  std::string client_id;       // fit to be part of a file's name, as those of simulated devices are
  uint64_t model_version = 0;  // that it was trained from
  std::vector<float> values;
};

// Where a run's updates are: "RUN/updates".
std::string RecordedUpdatesDirectory(const std::string& run_directory);

// Makes that directory if it is not there, and in it "round_0001_client-3.tern" for each update: a
// frame of codec `none` (docs/wire-format.md). Errors as the system's.
absl::Status WriteRecordedUpdates(const std::string& run_directory,
                                  absl::Span<const RecordedUpdate> updates);

// The values of such a file, one or more, all finite. Errors as ReadTextFile and
// compression::ReadFrame; INVALID_ARGUMENT: no coordinates. The message begins with the path.
absl::StatusOr<std::vector<float>> ReadUpdate(const std::string& path);

// "gaussian", "laplace", "student".
std::vector<std::string> DistributionNames();

// Independent numbers with the mean 0: normal or Laplace with the variance 1, or Student's t with 3
// degrees of freedom (variance 3, heavy tails). A function of its arguments alone.
// INVALID_ARGUMENT: unknown distribution, or a count below 1 or above 2^30.
absl::StatusOr<std::vector<float>> DrawUpdate(absl::string_view distribution, int64_t count,
                                              uint64_t seed);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_UPDATES_H_
