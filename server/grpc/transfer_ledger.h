// How much of a lease's model and update has been on its way before, so that what is sent again can
// be counted apart.
#ifndef TERN_SERVER_GRPC_TRANSFER_LEDGER_H_
#define TERN_SERVER_GRPC_TRANSFER_LEDGER_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "core/base/mutex.h"

namespace tern::server {

// Thread-safe.
class TransferLedger {
 public:
  // Bytes [begin, end) of the model of a lease, which exists, are sent. Returns how many of them
  // were sent before.
  int64_t Sent(absl::string_view lease_id, uint64_t begin, uint64_t end) {
    MutexLock lock(mutex_);
    if (leases_.size() >= kMaxLeases) leases_.clear();
    return Advance(leases_[lease_id].sent, begin, end);
  }

  // Bytes [begin, end) of an update are received, under a lease that may be anything; what was
  // received before is known for leases whose model was sent.
  int64_t Received(absl::string_view lease_id, uint64_t begin, uint64_t end) {
    MutexLock lock(mutex_);
    const auto found = leases_.find(lease_id);
    return found == leases_.end() ? 0 : Advance(found->second.received, begin, end);
  }

 private:
  struct Lease {
    uint64_t sent = 0;  // bytes from the start
    uint64_t received = 0;
  };

  // About 5 MB. Beyond that it forgets and starts again: the counts are for people.
  static constexpr size_t kMaxLeases = 1 << 16;

  static int64_t Advance(uint64_t& known, uint64_t begin, uint64_t end) {
    const uint64_t before = begin < known ? std::min(known, end) - begin : 0;
    known = std::max(known, end);
    return static_cast<int64_t>(before);
  }

  Mutex mutex_;
  absl::flat_hash_map<std::string, Lease> leases_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tern::server

#endif  // TERN_SERVER_GRPC_TRANSFER_LEDGER_H_
