// The attack lab's results as people and programs read them.
#ifndef TERN_SIMULATION_LAB_REPORT_H_
#define TERN_SIMULATION_LAB_REPORT_H_

#include <string>
#include <vector>

#include "simulation/attack_lab.h"

namespace tern::simulation {

// Attacks by defences: means over the seeds, with the standard deviation in brackets.
std::string LabTable(const LabResult& result);

// Sentences: what the numbers are, how large chance is, how the defences do without attackers
// against the plain mean (if there is one), and why cells failed.
std::vector<std::string> LabNotes(const LabResult& result);

// Every cell with its curve, the summaries and the noise.
std::string LabJson(const LabResult& result);

std::string LabSvg(const LabResult& result, const std::string& task_name);

// A page that needs no other file: picture, table and notes.
std::string LabHtml(const LabResult& result, const std::string& task_name);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_LAB_REPORT_H_
