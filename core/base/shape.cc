#include "core/base/shape.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tern {

std::string BatchShapeString(const Shape& shape) {
  return absl::StrCat("[N", shape.empty() ? "" : ", ", absl::StrJoin(shape, ", "), "]");
}

int64_t NumElements(const Shape& shape) {
  int64_t elements = 1;
  for (const int64_t dimension : shape) elements *= dimension;
  return elements;
}

}  // namespace tern
