// The scalars of a run for TensorBoard: an event file, that is, TFRecords of `Event` messages
// (tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto).
#ifndef TERN_SERVER_TENSORBOARD_H_
#define TERN_SERVER_TENSORBOARD_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace tern::server {

struct Scalar {
  absl::string_view tag;  // "bytes/up": TensorBoard groups by what is before the slash
  double value = 0.0;     // kept as a 32-bit float
};

// One thread at a time.
class TensorBoardWriter {
 public:
  // Makes `directory`/events.out.tfevents.<seconds of `now`>.<host name>. UNAVAILABLE: cannot be
  // written; the message begins with the path.
  static absl::StatusOr<TensorBoardWriter> Create(const std::string& directory, absl::Time now);

  // Appends `scalars`, measured at `now` and shown at `step`, and flushes. UNAVAILABLE: cannot be
  // written.
  absl::Status Add(int64_t step, absl::Time now, absl::Span<const Scalar> scalars);

 private:
  TensorBoardWriter(std::string path, std::ofstream file)
      : path_(std::move(path)), file_(std::move(file)) {}

  absl::Status WriteRecord(absl::string_view event);

  std::string path_;
  std::ofstream file_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_TENSORBOARD_H_
