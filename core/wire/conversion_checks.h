// The checks that conversions from messages are made of. Each returns INVALID_ARGUMENT with the
// field's name, its value or size, and what was expected.
#ifndef TERN_CORE_WIRE_CONVERSION_CHECKS_H_
#define TERN_CORE_WIRE_CONVERSION_CHECKS_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tern {

inline constexpr int64_t kHashBytes = 32;
inline constexpr int64_t kMaxClientIdBytes = 4096;
inline constexpr int64_t kMaxTextBytes = 16384;  // messages for people, names of tasks and layers
inline constexpr int64_t kMaxCodecBytes = 256;
inline constexpr int64_t kMaxNameBytes = 64;  // sections, metrics, codec stages
inline constexpr int64_t kMaxEntries = 64;    // metrics, codec stages, layer kinds
inline constexpr int64_t kMaxSections = 16;
inline constexpr int64_t kMaxDurationMs = 30LL * 24 * 3600 * 1000;

inline absl::Status CheckInRange(absl::string_view field, int64_t value, int64_t minimum,
                                 int64_t maximum = std::numeric_limits<int64_t>::max()) {
  if (value >= minimum && value <= maximum) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", expected ", minimum, " to ", maximum));
}

inline absl::Status CheckSize(absl::string_view field, uint64_t size, int64_t minimum,
                              int64_t maximum, absl::string_view unit) {
  if (size >= static_cast<uint64_t>(minimum) && size <= static_cast<uint64_t>(maximum)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", size, " ", unit, ", expected ", minimum, " to ", maximum));
}

inline absl::Status CheckLength(absl::string_view field, uint64_t size, int64_t expected) {
  if (size == static_cast<uint64_t>(expected)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", size, " bytes, expected ", expected));
}

inline absl::Status CheckFinite(absl::string_view field, double value) {
  if (std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", expected a finite number"));
}

inline absl::Status CheckQuantity(absl::string_view field, double value) {
  if (std::isfinite(value) && value >= 0.0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", expected a finite number, at least 0"));
}

inline absl::StatusOr<absl::Duration> DurationFromMs(absl::string_view field, int64_t ms) {
  if (ms >= 0 && ms <= kMaxDurationMs) return absl::Milliseconds(ms);
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", ms, ", expected 0 to ", kMaxDurationMs, " (30 days)"));
}

}  // namespace tern

#endif  // TERN_CORE_WIRE_CONVERSION_CHECKS_H_
