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
  // INVALID_ARGUMENT: the plan's codec is none, or its model has no layout or nothing to train.
  static absl::StatusOr<PlanCodec> Make(const Plan& plan);

  // As the plan says it.
  const std::string& text() const { return text_; }
  // What ParseCodec made of it.
  const compression::CodecSpec& spec() const { return spec_; }
  // Coordinates of an update.
  int64_t count() const { return count_; }
  // Of the update of one client (HashClientId). Shows what this object holds.
  compression::CodecContext Context(uint64_t client) const;

 private:
  PlanCodec() = default;

  std::string text_;
  compression::CodecSpec spec_;
  int64_t count_ = 0;
  std::vector<int64_t> tensor_sizes_;
  std::unique_ptr<const CoordinateSet> trained_;  // null: all
  uint64_t seed_ = 0;
  uint64_t round_ = 0;
};

}  // namespace tern

#endif  // TERN_CORE_WIRE_PLAN_CODEC_H_
