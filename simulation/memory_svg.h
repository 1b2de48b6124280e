// What plans' memory is made of, as a picture.
#ifndef TERN_SIMULATION_MEMORY_SVG_H_
#define TERN_SIMULATION_MEMORY_SVG_H_

#include <string>

#include "absl/types/span.h"
#include "simulation/class_plans.h"

namespace tern::simulation {

// A file that loads nothing, 1200 pixels wide: for each plan a bar of all that it holds, and its
// arena to scale, steps to the right, addresses upwards. A tensor's numbers are shown under the
// pointer.
std::string MemorySvg(absl::Span<const PlanMemory> memories);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_MEMORY_SVG_H_
