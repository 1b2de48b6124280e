// `tern-sim report`: run directories in, a page that explains or compares them out.
#ifndef TERN_SIMULATION_REPORT_COMMAND_H_
#define TERN_SIMULATION_REPORT_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tern::simulation {

struct ReportCommand {
  std::vector<std::string> directories;  // at least one
  std::string
      out;  // empty: report.html in the directory, comparison.html here if there are several
};

// Writes the page and prints its path. Errors as WriteHtmlReport.
absl::Status WriteReport(const ReportCommand& command);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_REPORT_COMMAND_H_
