// What a plan's memory is made of, as text for a terminal.
#ifndef TERN_SIMULATION_MEMORY_DRAWING_H_
#define TERN_SIMULATION_MEMORY_DRAWING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
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

// The characters of UTF-8 that XML may hold too (XML 1.0, section 2.2): a control character becomes
// a space, each byte of what is no such character a question mark.
std::vector<std::string> Characters(absl::string_view text);

// Those characters, at most `most` (3 or more) of them: of a longer name the middle is left out,
// because its end tells entries of one layer apart: "stage1_blo..wise workspace (forward)".
std::string ShortName(absl::string_view name, size_t most);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_MEMORY_DRAWING_H_
