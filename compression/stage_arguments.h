// Checks of a stage's arguments. Each gives an empty string, or the problem.
#ifndef TERN_COMPRESSION_STAGE_ARGUMENTS_H_
#define TERN_COMPRESSION_STAGE_ARGUMENTS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "compression/codec.h"

namespace tern::compression {

// How many arguments there may be, and their names: "one: bits", "two: levels, bucket".
struct ArgumentCount {
  size_t min;
  size_t max;
  absl::string_view names;
};
std::string CheckArgumentCount(const StageSpec& stage, const ArgumentCount& expected);

// Whether `argument` is a whole number from `min` to `max`.
std::string CheckWholeNumber(absl::string_view name, double argument, int64_t min, int64_t max);

// Whether there is no option, or `allowed`; empty: there is none to allow.
std::string CheckOption(const StageSpec& stage, absl::string_view allowed);

}  // namespace tern::compression

#endif  // TERN_COMPRESSION_STAGE_ARGUMENTS_H_
