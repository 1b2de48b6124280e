// Shapes of examples and parameters.
#ifndef TERN_CORE_BASE_SHAPE_H_
#define TERN_CORE_BASE_SHAPE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tern {

// Dimensions of one example, without the batch: {784}, or {channels, height, width}.
using Shape = std::vector<int64_t>;

// "[N, 1, 28, 28]": how a batch of `shape` is printed.
std::string BatchShapeString(const Shape& shape);

// The product of the dimensions, which must not overflow.
int64_t NumElements(const Shape& shape);

}  // namespace tern

#endif  // TERN_CORE_BASE_SHAPE_H_
