// Decides whether bytes are an update that may be added: everything about an update that the
// round's state does not decide.
#ifndef TERN_SERVER_UPDATE_VALIDATOR_H_
#define TERN_SERVER_UPDATE_VALIDATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "compression/codec.h"
#include "core/wire/messages.h"
#include "core/wire/plan_codec.h"
#include "server/leased_model.h"

namespace tern::server {

// What the lease that an update came under says.
struct LeaseTerms {
  std::string lease_id;
  std::string base_hash;
  uint64_t model_version = 0;
  std::shared_ptr<const PlanCodec> codec;  // one of the validator's
  uint64_t client = 0;                     // HashClientId
  uint64_t rank = 0;                       // of the client in the cohort
  TrainOptions train;                      // of the plan
  std::shared_ptr<const LeasedModel> leased;
};

struct ValidatedUpdate {
  Update update;
  // What was encoded, of section `index`: a view into `update`, whose strings do not move with it.
  absl::string_view payload(size_t index) const;
};

// Immutable after construction; any number of threads may use it.
class UpdateValidator {
 public:
  struct Limits {
    float max_abs_value = 0.0f;  // of a coordinate
    int64_t max_num_examples = 0;
  };
  // `codecs`: all that leases may name, as ParseCodec accepted them.
  UpdateValidator(const std::vector<std::string>& codecs, const Limits& limits);

  // INVALID_ARGUMENT names the field or coordinate; FAILED_PRECONDITION: another base model;
  // DATA_LOSS: damaged frame.
  absl::StatusOr<ValidatedUpdate> Validate(absl::string_view bytes, const LeaseTerms& terms) const;

  const compression::Decoder& decoder(absl::string_view codec) const;

 private:
  absl::Status CheckReport(const UpdateReport& report) const;
  absl::Status CheckFrame(const Section& section, bool is_control, const LeaseTerms& terms) const;

  std::map<std::string, std::unique_ptr<compression::Decoder>, std::less<>> decoders_;
  Limits limits_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_UPDATE_VALIDATOR_H_
