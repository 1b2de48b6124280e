#include "aggregation/stateful_optimizer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/sealed_bytes.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/simd_clones.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr absl::string_view kMagic = "TERNOPTM";

TERN_SIMD_CLONES uint32_t CountNotFinite(const float* values, int64_t count) {
  constexpr uint32_t kInfinity = 0x7F800000u;
  uint32_t not_finite = 0;
  for (int64_t i = 0; i < count; ++i) {
    not_finite += (std::bit_cast<uint32_t>(values[i]) & kInfinity) == kInfinity ? 1 : 0;
  }
  return not_finite;
}

bool AllFinite(absl::Span<const float> values) {
  return CountNotFinite(values.data(), static_cast<int64_t>(values.size())) == 0;
}

SealFormat FormatOf(absl::string_view name) {
  return {.magic = kMagic, .version = 1, .fingerprint = Crc32c(name), .writer = name};
}

}  // namespace

StatefulOptimizer::StatefulOptimizer(const ServerOptimizerOptions& options, std::string name,
                                     std::vector<float> initial)
    : options_(options), name_(std::move(name)), initial_(std::move(initial)) {}

StatefulOptimizer::State StatefulOptimizer::StateFor(size_t count) const {
  State state = state_;
  if (state.vectors.size() == initial_.size()) return state;
  for (const float value : initial_) state.vectors.emplace_back(count, value);
  return state;
}

absl::Status StatefulOptimizer::Apply(absl::Span<float> parameters, const ServerStep& step) {
  TERN_CHECK(parameters.size() == step.aggregate.size());
  if (!state_.vectors.empty() && state_.vectors[0].size() != parameters.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name_, ": its state is of ", state_.vectors[0].size(),
                     " coordinates, the model has ", parameters.size()));
  }
  State next = StateFor(parameters.size());
  ++next.steps;
  TERN_RETURN_IF_ERROR(Step(parameters, step, next));
  const bool finite =
      AllFinite(parameters) && std::all_of(next.vectors.begin(), next.vectors.end(),
                                           [](const auto& vector) { return AllFinite(vector); });
  if (!finite) {
    return absl::FailedPreconditionError(
        absl::StrCat(name_,
                     ": the step makes numbers that are not finite; lower "
                     "strategy.learning_rate"));
  }
  state_ = std::move(next);
  return absl::OkStatus();
}

std::string StatefulOptimizer::Serialize() const {
  if (state_.vectors.empty()) return "";
  std::string bytes = BeginSeal(FormatOf(name_));
  ByteWriter writer(&bytes);
  const size_t count = state_.vectors[0].size();
  bytes.reserve(kSealBytes + 2 * sizeof(int64_t) + state_.vectors.size() * count * sizeof(float));
  writer.Write<int64_t>(state_.steps);
  writer.Write<int64_t>(static_cast<int64_t>(count));
  for (const std::vector<float>& vector : state_.vectors) writer.WriteFloats(vector);
  EndSeal(bytes);
  return bytes;
}

absl::Status StatefulOptimizer::Deserialize(absl::string_view bytes) {
  if (bytes.empty()) {
    state_ = State();
    return absl::OkStatus();
  }
  TERN_ASSIGN_OR_RETURN(const absl::string_view body, OpenSeal(FormatOf(name_), bytes));
  ByteReader reader(body);
  State state;
  TERN_ASSIGN_OR_RETURN(state.steps, reader.Read<int64_t>());
  TERN_ASSIGN_OR_RETURN(const int64_t count, reader.Read<int64_t>());
  const bool sized =
      state.steps > 0 && count > 0 && static_cast<uint64_t>(count) <= reader.remaining() &&
      reader.remaining() == initial_.size() * static_cast<size_t>(count) * sizeof(float);
  if (!sized) {
    return absl::DataLossError(absl::StrCat("state of ", name_, ": ", state.steps, " steps and ",
                                            count, " coordinates in ", bytes.size(), " bytes"));
  }
  if (!state_.vectors.empty() && state_.vectors[0].size() != static_cast<size_t>(count)) {
    return absl::DataLossError(absl::StrCat("state of ", name_, ": ", count,
                                            " coordinates, expected ", state_.vectors[0].size()));
  }
  for (size_t i = 0; i < initial_.size(); ++i) {
    std::vector<float>& vector = state.vectors.emplace_back(static_cast<size_t>(count));
    TERN_ASSIGN_OR_RETURN(const absl::string_view floats,
                          reader.ReadBytes(vector.size() * sizeof(float)));
    std::memcpy(vector.data(), floats.data(), floats.size());
    if (!AllFinite(vector)) {
      return absl::DataLossError(absl::StrCat("state of ", name_, ": a number is not finite"));
    }
  }
  state_ = std::move(state);
  return absl::OkStatus();
}

}  // namespace tern::aggregation
