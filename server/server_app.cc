#include "server/server_app.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/engine/kernel_target.h"
#include "core/train/evaluator.h"
#include "server/report/html_report.h"
#include "server/root_update.h"

namespace tern::server {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// For calls that run: an upload may still count, an answer is short.
constexpr absl::Duration kUploadGrace = absl::Seconds(5);
constexpr absl::Duration kAnswerGrace = absl::Seconds(1);
// How much later than told a device is still waited for.
constexpr absl::Duration kLateArrival = absl::Seconds(2);

// Whole lines, at once: two threads print.
void PrintLine(const std::string& line) {
  const std::string text = line + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

absl::StatusOr<std::string> RandomSecret() {
  std::array<char, 32> bytes;
  if (getentropy(bytes.data(), bytes.size()) != 0) {
    return absl::ErrnoToStatus(errno, "random bytes for the leases");
  }
  return std::string(bytes.data(), bytes.size());
}

absl::string_view TransportName(const ServerOptions& server, bool insecure) {
  if (insecure) return "insecure";
  return server.client_ca_file.empty() ? "TLS" : "mutual TLS";
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerApp>> ServerApp::Create(Options options) {
  std::unique_ptr<Dataset> test;
  if (options.config.evaluate_every > 0) {
    auto loaded = LoadDataset(options.config.data, Split::kTest);
    if (!loaded.ok()) {
      return absl::Status(
          loaded.status().code(),
          absl::StrCat(loaded.status().message(), " (task.evaluate.every: 0 works without)"));
    }
    test = *std::move(loaded);
  }
  std::unique_ptr<ServerApp> app(new ServerApp(std::move(options), std::move(test)));
  TERN_RETURN_IF_ERROR(app->CreateCoordinator());
  return app;
}

ServerApp::ServerApp(Options options, std::unique_ptr<Dataset> test)
    : options_(std::move(options)),
      started_at_(clock_.Now()),
      test_(std::move(test)),
      recorder_({.model = options_.config.task.model,
                 .loss = options_.config.task.train.loss,
                 .num_rounds = options_.config.task.num_rounds,
                 .evaluate_every = options_.config.evaluate_every,
                 .test = test_.get(),
                 .num_threads = options_.num_threads,
                 .clock = &clock_,
                 .print_line = PrintLine}) {}

absl::Status ServerApp::CreateCoordinator() {
  TERN_ASSIGN_OR_RETURN(std::string secret, RandomSecret());
  const Task& task = options_.config.task;
  RootUpdate root_update;
  if (task.aggregator.name == "fltrust") {
    TERN_ASSIGN_OR_RETURN(root_, LoadDataset(options_.config.data, Split::kTrain));
    TERN_ASSIGN_OR_RETURN(root_update, MakeRootUpdate(task, root_.get()));
  }
  TERN_ASSIGN_OR_RETURN(coordinator_,
                        Coordinator::Create(task, {.clock = &clock_,
                                                   .observer = &recorder_,
                                                   .lease_secret = std::move(secret),
                                                   .reference_update = std::move(root_update)}));
  if (test_ == nullptr) return absl::OkStatus();
  // One example tells whether data and model fit each other.
  const int32_t first = 0;
  ThreadPool pool(1);
  const auto evaluation = Evaluate(options_.config.task.model, coordinator_->model()->parameters,
                                   DatasetView(test_.get(), absl::MakeConstSpan(&first, 1)), pool);
  if (evaluation.ok()) return absl::OkStatus();
  return {evaluation.status().code(),
          absl::StrCat("task.model does not fit data.name ", options_.config.data.name, ": ",
                       evaluation.status().message())};
}

absl::Status ServerApp::Open() {
  const ServerOptions& server = options_.config.server;
  if (!options_.port_file.empty()) {
    std::error_code ignored;  // a port of an earlier run must not mislead
    std::filesystem::remove(options_.port_file, ignored);
  }
  TERN_ASSIGN_OR_RETURN(
      server_, GrpcServer::Start(coordinator_.get(), {.listen = server.listen,
                                                      .insecure = options_.insecure,
                                                      .certificate_file = server.certificate_file,
                                                      .private_key_file = server.private_key_file,
                                                      .client_ca_file = server.client_ca_file}));
  // After the socket: a port that is taken leaves no directory behind.
  const std::string directory =
      options_.out.empty() ? DefaultRunDirectory(options_.config.task.name) : options_.out;
  TERN_ASSIGN_OR_RETURN(report_, RunReport::Create(directory, options_.config.resolved_yaml));
  recorder_.Start(report_.get());
  if (!options_.port_file.empty()) {
    TERN_RETURN_IF_ERROR(
        WriteFileAtomically(options_.port_file, absl::StrCat(server_->port(), "\n")));
  }
  const absl::string_view host =
      absl::string_view(server.listen).substr(0, server.listen.rfind(':'));
  PrintLine(absl::StrCat("listening on ", host, ":", server_->port(), " (",
                         TransportName(server, options_.insecure), ")"));
  return absl::OkStatus();
}

absl::Status ServerApp::Run(const sigset_t& signals) {
  TERN_RETURN_IF_ERROR(Open());
  const int signal = Serve(signals);
  coordinator_->Drain();
  server_->Shutdown(coordinator_->finished() ? kAnswerGrace : kUploadGrace);
  TERN_RETURN_IF_ERROR(Conclude());
  if (signal != 0) {
    PrintLine(absl::StrCat("stopped by ", signal == SIGINT ? "SIGINT" : "SIGTERM", " after round ",
                           report_->rounds(), " of ", options_.config.task.num_rounds,
                           "; the model is in ", report_->model_path()));
  }
  return absl::OkStatus();
}

int ServerApp::Serve(const sigset_t& signals) {
  const timespec tick = absl::ToTimespec(kTick);
  while (recorder_.status().ok()) {
    const int signal = sigtimedwait(&signals, nullptr, &tick);
    if (signal > 0) return signal;
    coordinator_->Tick();
    if (!coordinator_->finished()) continue;
    // The results are there as soon as the rounds are done, however long the server stays.
    if (!Conclude().ok()) return 0;
    if (options_.exit_when_done && DevicesAreTold()) return 0;
  }
  return 0;
}

bool ServerApp::DevicesAreTold() const {
  const std::optional<absl::Duration> last_arrival = coordinator_->LastArrival();
  return !last_arrival.has_value() || clock_.Now() >= *last_arrival + kLateArrival;
}

absl::Status ServerApp::Conclude() {
  if (!conclusion_.has_value()) conclusion_ = RecordAndFinish();
  return *conclusion_;
}

absl::Status ServerApp::RecordAndFinish() {
  const absl::Status recorded = recorder_.Stop();
  const double round_time_s = absl::ToDoubleSeconds(recorder_.total_round_time());
  RunOutcome outcome{.wall_time_s = absl::ToDoubleSeconds(clock_.Now() - started_at_),
                     .seed = options_.config.seed,
                     .kernel_target = std::string(KernelTarget()),
                     .config_hash = options_.config.config_hash,
                     .version = TERN_VERSION};
  if (round_time_s > 0.0) {
    outcome.client_updates_per_second = static_cast<double>(report_->updates()) / round_time_s;
  }
  const absl::Status finished =
      report_->Finish(outcome, options_.config.task.model, *coordinator_->model());
  if (!recorded.ok() || !finished.ok()) return recorded.ok() ? finished : recorded;
  TERN_RETURN_IF_ERROR(
      WriteHtmlReport({report_->directory()}, report_->directory() + "/report.html"));
  PrintLine(report_->SummaryText(outcome.wall_time_s));
  return absl::OkStatus();
}

}  // namespace tern::server
