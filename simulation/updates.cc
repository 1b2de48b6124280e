#include "simulation/updates.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/files.h"
#include "core/base/random.h"
#include "core/base/random_distributions.h"
#include "core/base/status_macros.h"

namespace tern::simulation {
namespace {

constexpr char kRecordedCodec[] = "none";
constexpr int64_t kMaxCount = int64_t{1} << 30;

double NextLaplace(RandomStream& random) {
  const double magnitude = NextExponential(random) / std::sqrt(2.0);
  return random.Below(2) == 0 ? magnitude : -magnitude;
}

double NextStudent(RandomStream& random) {
  constexpr int kDegreesOfFreedom = 3;
  const double normal = NextNormal(random);
  double squares = 0.0;
  for (int i = 0; i < kDegreesOfFreedom; ++i) {
    const double value = NextNormal(random);
    squares += value * value;
  }
  return normal / std::sqrt(squares / kDegreesOfFreedom);
}

struct Distribution {
  const char* name;
  double (*next)(RandomStream& random);
};
constexpr Distribution kDistributions[] = {
    {"gaussian", NextNormal}, {"laplace", NextLaplace}, {"student", NextStudent}};

absl::StatusOr<std::vector<float>> DecodeUpdate(absl::string_view bytes) {
  const auto decoder = compression::MakeDecoder(*compression::ParseCodec(kRecordedCodec));
  // The bytes of the frame, which it does not have if it is of another codec.
  const int64_t payload = static_cast<int64_t>(bytes.size()) - compression::kFrameHeaderBytes;
  const compression::CodecContext context = {.count = std::max(payload, int64_t{0}) /
                                                      static_cast<int64_t>(sizeof(float))};
  TERN_ASSIGN_OR_RETURN(
      const compression::Frame frame,
      compression::ReadFrame(bytes, *decoder, context, std::numeric_limits<float>::max()));
  if (context.count == 0) return absl::InvalidArgumentError("frame: holds no coordinates");
  std::vector<float> values(static_cast<size_t>(context.count));
  compression::DenseSink sink(absl::MakeSpan(values));
  decoder->DecodeInto(frame.payload, context, sink);
  return values;
}

}  // namespace

std::string RecordedUpdatesDirectory(const std::string& run_directory) {
  return run_directory + "/updates";
}

absl::Status WriteRecordedUpdates(const std::string& run_directory,
                                  absl::Span<const RecordedUpdate> updates) {
  if (updates.empty()) return absl::OkStatus();
  const std::string directory = RecordedUpdatesDirectory(run_directory);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec(kRecordedCodec));
  for (const RecordedUpdate& update : updates) {
    TERN_ASSIGN_OR_RETURN(
        const std::string frame,
        compression::EncodeFrame(*encoder, update.values, update.model_version, {}));
    const std::string path =
        absl::StrFormat("%s/round_%04d_%s.tern", directory, update.round, update.client_id);
    TERN_RETURN_IF_ERROR(WriteFileAtomically(path, frame));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> ReadUpdate(const std::string& path) {
  constexpr int64_t kMaxFileBytes =
      compression::kFrameHeaderBytes + kMaxCount * static_cast<int64_t>(sizeof(float));
  TERN_ASSIGN_OR_RETURN(const std::string bytes, ReadTextFile(path, kMaxFileBytes));
  absl::StatusOr<std::vector<float>> values = DecodeUpdate(bytes);
  if (values.ok()) return values;
  return absl::Status(
      values.status().code(),
      absl::StrCat(path, ": ", values.status().message(), "; expected a frame of codec '",
                   kRecordedCodec, "', as tern-sim run --record-updates writes"));
}

std::vector<std::string> DistributionNames() {
  std::vector<std::string> names;
  for (const Distribution& distribution : kDistributions) names.emplace_back(distribution.name);
  return names;
}

absl::StatusOr<std::vector<float>> DrawUpdate(absl::string_view distribution, int64_t count,
                                              uint64_t seed) {
  const auto* const known =
      std::find_if(std::begin(kDistributions), std::end(kDistributions),
                   [&](const Distribution& one) { return one.name == distribution; });
  if (known == std::end(kDistributions)) {
    return absl::InvalidArgumentError(absl::StrCat("distribution '", distribution,
                                                   "' is unknown, expected ",
                                                   absl::StrJoin(DistributionNames(), ", ")));
  }
  if (count < 1 || count > kMaxCount) {
    return absl::InvalidArgumentError(
        absl::StrCat("count is ", count, " coordinates, expected 1 to ", kMaxCount));
  }
  RandomStream random({.seed = seed});
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(known->next(random));
  return values;
}

}  // namespace tern::simulation
