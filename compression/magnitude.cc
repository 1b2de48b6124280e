#include "compression/magnitude.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/simd_clones.h"

namespace tern::compression {

TERN_SIMD_CLONES int32_t LargestMagnitudeBits(const float* block) {
  int32_t largest = 0;
  for (int64_t i = 0; i < kBlock; ++i) largest = std::max(largest, MagnitudeBits(block[i]));
  return largest;
}

absl::Status CheckMagnitudes(absl::Span<const float> values, float limit, int64_t first_index) {
  const int32_t limit_bits = MagnitudeBits(std::min(limit, kLargestFinite));
  const auto count = static_cast<int64_t>(values.size());
  int64_t start = 0;
  while (count - start >= kBlock && LargestMagnitudeBits(values.data() + start) <= limit_bits) {
    start += kBlock;
  }
  for (int64_t i = start; i < count; ++i) {
    const float value = values[static_cast<size_t>(i)];
    if (MagnitudeBits(value) <= limit_bits) continue;
    const std::string expected = limit < kLargestFinite
                                     ? absl::StrFormat("a magnitude of at most %.9g", limit)
                                     : std::string("a finite number");
    return absl::InvalidArgumentError(
        absl::StrFormat("coordinate %d is %.9g, expected %s", first_index + i, value, expected));
  }
  return absl::OkStatus();
}

absl::Status CheckPayloadSize(int64_t payload_bytes, int64_t expected_bytes, int64_t count) {
  if (payload_bytes == expected_bytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      payload_bytes < expected_bytes ? "truncated" : "trailing bytes", ": payload of ",
      payload_bytes, " bytes, expected ", expected_bytes, " for ", count, " coordinates"));
}

}  // namespace tern::compression
