// What the members of a round train: the round's model, or the part of it that a width keeps.
#ifndef TERN_SERVER_LEASED_MODEL_H_
#define TERN_SERVER_LEASED_MODEL_H_

#include <memory>
#include <string>

#include "core/model/model_spec.h"
#include "core/model/submodel.h"
#include "server/model.h"

namespace tern::server {

// Immutable; shared by the members of one width.
struct LeasedModel {
  std::string submodel;  // its name; empty: the full model
  ModelSpec spec;
  std::shared_ptr<const CoordinateSet> coordinates;  // of the full model; null: all
  std::shared_ptr<const Model> model;                // its parameters, packed
};

// `full` and `base` belong together; `options` were accepted by MakeSubmodel for `full` before.
std::shared_ptr<const LeasedModel> MakeLeasedModel(const ModelSpec& full,
                                                   const SubmodelOptions& options,
                                                   const std::shared_ptr<const Model>& base);

}  // namespace tern::server

#endif  // TERN_SERVER_LEASED_MODEL_H_
