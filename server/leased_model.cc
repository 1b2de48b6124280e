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
  const auto pack = [&](const std::vector<float>& full_values) {
    std::vector<float> packed(static_cast<size_t>(submodel->coordinates.size));
    submodel->coordinates.Pack(full_values, absl::MakeSpan(packed));
    return packed;
  };
  // Parts of parameters that are finite are finite: making the model cannot fail.
  leased->model = *MakeModel(base->version, pack(base->parameters),
                             base->control.empty() ? std::vector<float>() : pack(base->control));
  leased->coordinates = std::make_shared<CoordinateSet>(std::move(submodel->coordinates));
  return leased;
}

}  // namespace tern::server
