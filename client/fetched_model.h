// What FetchModel brings: a frame of the model and, where the plan's method takes it, one of the
// coordinator's control variate behind it. Both travel as plain floats in this version.
#ifndef TERN_CLIENT_FETCHED_MODEL_H_
#define TERN_CLIENT_FETCHED_MODEL_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/wire/messages.h"

namespace tern::client {

// A view into the bytes, which must outlive it.
class FetchedModel {
 public:
  // `count`: coordinates of the model.
  FetchedModel(absl::string_view bytes, const Lease& lease, int64_t count);

  // DATA_LOSS or INVALID_ARGUMENT: damaged, not of this model, or the control variate is of another
  // version. What follows is for bytes that passed.
  absl::Status Check() const;

  // Each `count` floats. The control variate is there where the plan receives one.
  void CopyModel(absl::Span<float> out) const;
  void SubtractModel(absl::Span<float> values) const;
  void CopyControl(absl::Span<float> out) const;
  void SubtractControl(absl::Span<float> values) const;

 private:
  absl::string_view model_frame_;
  absl::string_view control_frame_;
  bool has_control_;
  uint64_t model_version_;
  int64_t count_;
};

}  // namespace tern::client

#endif  // TERN_CLIENT_FETCHED_MODEL_H_
