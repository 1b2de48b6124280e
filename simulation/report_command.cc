#include "simulation/report_command.h"

#include <cstdio>

#include "core/base/status_macros.h"
#include "server/report/html_report.h"

namespace tern::simulation {

absl::Status WriteReport(const ReportCommand& command) {
  std::string out = command.out;
  if (out.empty()) {
    // Here, and under a name that no run's own report has.
    out = command.directories.size() > 1 ? "comparison.html"
                                         : command.directories.front() + "/report.html";
  }
  TERN_RETURN_IF_ERROR(server::WriteHtmlReport(command.directories, out));
  std::printf("%s\n", out.c_str());
  return absl::OkStatus();
}

}  // namespace tern::simulation
