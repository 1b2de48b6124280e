// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"), keyed by what the numbers are for. Two programs that agree on the key draw the
// same numbers, whatever else they do, in whatever order and on how many threads.
#ifndef TERN_CORE_BASE_RANDOM_H_
#define TERN_CORE_BASE_RANDOM_H_

#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern {

// One Philox4x32-10 block: 128 random bits for a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> Philox(uint64_t key, const std::array<uint32_t, 4>& counter);

// What random numbers are drawn for. The numbers are part of every result: never renumber, only
// append.
enum class RandomPurpose : uint32_t {
  kInitialParameters = 1,
  kPartition = 2,
  kCohort = 3,
  kBatchOrder = 4,
  kEncode = 5,
  kPace = 6,
  kLeaseId = 7,
  kDevice = 8,        // what distinguishes a simulated device from others of its profile
  kAvailability = 9,  // when it is on
  kNetwork = 10,      // how fast and how late its link is in a round
  kRotation = 11,     // signs of the stage `rotate`: round and seed only
  kSubset = 12,       // which coordinates an update holds
  kAttack = 13,       // which clients of a simulation lie, and the noise that they send
};

// The key of one stream of random numbers. `client` is HashClientId of the client's id, 0 where
// none is meant.
struct RandomKey {
  uint64_t seed = 0;
  uint64_t round = 0;  // below 2^32
  uint64_t client = 0;
  RandomPurpose purpose = RandomPurpose::kInitialParameters;
};

// A stable 64-bit hash of a client id (FNV-1a, then a finalizer).
uint64_t HashClientId(absl::string_view client_id);

// The numbers of one key, in order. Not thread-safe; cheap to make (one Philox block).
class RandomStream {
 public:
  explicit RandomStream(const RandomKey& key);

  uint32_t Next32();
  uint64_t Next64();
  // Uniform in [0, 1), a multiple of 2^-24.
  float NextFloat();
  // Uniform in [0, bound), without bias (Lemire 2019). `bound` > 0.
  uint32_t Below(uint32_t bound);

  // Fisher-Yates, from the last element down.
  template <typename T>
  void Shuffle(absl::Span<T> values) {
    for (size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[Below(static_cast<uint32_t>(i))]);
    }
  }

 private:
  uint64_t key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace tern

#endif  // TERN_CORE_BASE_RANDOM_H_
