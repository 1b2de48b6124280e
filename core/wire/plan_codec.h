// The codec of a plan, with what sender and receiver both know of the updates that it encodes.
#ifndef TERN_CORE_WIRE_PLAN_CODEC_H_
#define TERN_CORE_WIRE_PLAN_CODEC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "compression/codec.h"
#include "core/train/plan.h"

namespace tern {

// Immutable; any number of threads may use one.
class PlanCodec {
 public:
  // INVALID_ARGUMENT: the plan's codec is none, its model has no layout or nothing to train or to
  // send, or the plan has personal parameters, which never leave the device, and its codec does not
  // begin with stage `mask`.
  static absl::StatusOr<PlanCodec> Make(const Plan& plan);

  // As the plan says it.
  const std::string& text() const { return text_; }
  // What ParseCodec made of it.
  const compression::CodecSpec& spec() const { return spec_; }
  // Coordinates of an update.
  int64_t count() const { return count_; }
  // Of the update of one client (HashClientId); if so of its section `control`, whose random
  // numbers are others. Its mask is what is sent; null: all. Shows what this object holds.
  compression::CodecContext Context(uint64_t client, bool is_control = false) const;
  // The coordinates that are trained but not sent (PersonalScope); null: none.
  const CoordinateSet* personal() const { return personal_.get(); }

 private:
  PlanCodec() = default;

  std::string text_;
  compression::CodecSpec spec_;
  int64_t count_ = 0;
  std::vector<int64_t> tensor_sizes_;
  std::unique_ptr<const CoordinateSet> sent_;      // null: all
  std::unique_ptr<const CoordinateSet> personal_;  // null: none
  uint64_t seed_ = 0;
  uint64_t round_ = 0;
};

}  // namespace tern

#endif  // TERN_CORE_WIRE_PLAN_CODEC_H_
