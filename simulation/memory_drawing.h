// What a plan's memory is made of, as text for a terminal.
#ifndef TERN_SIMULATION_MEMORY_DRAWING_H_
#define TERN_SIMULATION_MEMORY_DRAWING_H_

#include <string>

#include "core/train/memory_report.h"
#include "simulation/class_plans.h"

namespace tern::simulation {

// What is held throughout, a table of the arena's tensors, and their picture (DrawArena).
std::string MemoryText(const PlanMemory& memory);

// The arena over a training step in lines of at most 120 columns, steps to the right, addresses
// upwards: each tensor is a rectangle with its number, from 1 in the report's order, and its name
// where there is room. Heights are not to scale: the smallest tensor has a line. Of a large model
// the smallest tensors are left out, which the last line says.
std::string DrawArena(const MemoryReport& report);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_MEMORY_DRAWING_H_
