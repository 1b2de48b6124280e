#include "server/model.h"

#include <utility>

#include "compression/frame.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"

namespace tern::server {

absl::StatusOr<std::shared_ptr<const Model>> MakeModel(uint64_t version,
                                                       std::vector<float> parameters) {
  auto model = std::make_shared<Model>();
  model->version = version;
  model->parameters = std::move(parameters);
  model->hash = ModelHash(model->parameters);
  const auto encoder = compression::MakeEncoder(*compression::ParseCodec("none"));
  TERN_ASSIGN_OR_RETURN(model->frame,
                        compression::EncodeFrame(*encoder, model->parameters, version, {}));
  return model;
}

}  // namespace tern::server
