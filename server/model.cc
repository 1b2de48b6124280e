#include "server/model.h"

#include <utility>

#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"

namespace tern::server {

absl::StatusOr<std::shared_ptr<const Model>> MakeModel(uint64_t version,
                                                       std::vector<float> parameters,
                                                       std::vector<float> control) {
  auto model = std::make_shared<Model>();
  model->version = version;
  model->parameters = std::move(parameters);
  model->control = std::move(control);
  model->hash = ModelHash(model->parameters);
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec("none"));
  TERN_ASSIGN_OR_RETURN(model->frame,
                        compression::EncodeFrame(*encoder, model->parameters, version, {}));
  if (!model->control.empty()) {
    TERN_ASSIGN_OR_RETURN(const std::string frame,
                          compression::EncodeFrame(*encoder, model->control, version, {}));
    model->frame += frame;
  }
  return model;
}

}  // namespace tern::server
