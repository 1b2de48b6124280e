#include "server/leased_model.h"

#include <utility>
#include <vector>

#include "core/base/check.h"

namespace tern::server {

std::shared_ptr<const LeasedModel> MakeLeasedModel(const ModelSpec& full,
                                                   const SubmodelOptions& options,
                                                   const std::shared_ptr<const Model>& base) {
  auto leased = std::make_shared<LeasedModel>();
  absl::StatusOr<Submodel> submodel = MakeSubmodel(full, options);
  TERN_CHECK(submodel.ok());
  leased->spec = std::move(submodel->model);
  leased->submodel = std::move(submodel->name);
  if (leased->submodel.empty()) {
    leased->model = base;
    return leased;
  }
  std::vector<float> packed(static_cast<size_t>(submodel->coordinates.size));
  submodel->coordinates.Pack(base->parameters, absl::MakeSpan(packed));
  // Parts of parameters that are finite are finite: making the model cannot fail.
  leased->model = *MakeModel(base->version, std::move(packed));
  leased->coordinates = std::make_shared<CoordinateSet>(std::move(submodel->coordinates));
  return leased;
}

}  // namespace tern::server
