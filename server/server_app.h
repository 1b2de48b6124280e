// tern-server without its command line: a coordinator behind a gRPC server, its run report, and the
// order in which they start and stop.
#ifndef TERN_SERVER_SERVER_APP_H_
#define TERN_SERVER_SERVER_APP_H_

#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/data/dataset.h"
#include "server/config/load_config.h"
#include "server/coordinator.h"
#include "server/grpc/grpc_server.h"
#include "server/round_recorder.h"
#include "server/run_report.h"

namespace tern::server {

class ServerApp {
 public:
  struct Options {
    LoadedConfig config;
    bool insecure = false;
    std::string out;        // directory of the run; empty: runs/<task>-<time>
    std::string port_file;  // the port is written to it once devices can connect; empty: none
    bool exit_when_done = false;
    int num_threads = 1;  // of an evaluation
  };

  // Loads the test data if the task is evaluated, and makes the coordinator. Opens no socket and
  // writes no file. INVALID_ARGUMENT or as LoadDataset: data are missing or do not fit the model.
  static absl::StatusOr<std::unique_ptr<ServerApp>> Create(Options options);

  // Serves until one of `signals` arrives, or until all rounds are done if so asked, and leaves the
  // results behind. Every thread of the process must block `signals`. Progress goes to standard
  // output. Call once.
  absl::Status Run(const sigset_t& signals);

 private:
  ServerApp(Options options, std::unique_ptr<Dataset> test);

  absl::Status CreateCoordinator();
  absl::Status Open();
  // The signal that ended it, or 0.
  int Serve(const sigset_t& signals);
  // Records every closed round and writes the results; does it once, and then says the same again.
  absl::Status Conclude();
  absl::Status RecordAndFinish();
  // Whether every device was told that the task is finished, or did not come when it was expected.
  bool DevicesAreTold() const;

  const Options options_;
  const MonotonicClock clock_;
  const absl::Duration started_at_;
  const std::unique_ptr<Dataset> test_;  // null if the task is not evaluated
  std::unique_ptr<RunReport> report_;    // the recorder writes to it
  RoundRecorder recorder_;
  std::unique_ptr<Dataset> root_;             // of fltrust; the coordinator trains on it
  std::unique_ptr<Coordinator> coordinator_;  // tells the recorder
  std::unique_ptr<GrpcServer> server_;        // calls the coordinator
  std::optional<absl::Status> conclusion_;
};

}  // namespace tern::server

#endif  // TERN_SERVER_SERVER_APP_H_
