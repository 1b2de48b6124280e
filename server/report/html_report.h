// report.html: a run explained at a glance, or several runs side by side.
#ifndef TERN_SERVER_REPORT_HTML_REPORT_H_
#define TERN_SERVER_REPORT_HTML_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tern::server {

// Writes one page that needs no other file and no network to `path`, from what the directories hold
// so far: metrics.jsonl and config.yaml; summary.json if the run has finished; population.json if
// it was simulated with devices. At least one directory. Errors as ReadRun, and as the system's for
// `path`.
absl::Status WriteHtmlReport(const std::vector<std::string>& run_directories,
                             const std::string& path);

}  // namespace tern::server

#endif  // TERN_SERVER_REPORT_HTML_REPORT_H_
