// tern-server: the coordinator of a task, for devices that connect over gRPC.
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/engine/kernel_target.h"
#include "server/config/load_config.h"
#include "server/server_app.h"

namespace tern::server {
namespace {

constexpr int kBadArguments = 2;

constexpr char kExamples[] = R"(Examples:
  tern-server --config study.yaml --check
      reads the configuration and says what is wrong with it
  tern-server --config study.yaml --listen 127.0.0.1:9092 --insecure
      serves devices on this machine, without TLS
  tern-server --config study.yaml --set task.num_rounds=5 --set task.codec.up='quantize(8)'
      overrides fields of the file
  tern-server --config study.yaml --out runs/first --exit-when-done
      leaves the results in runs/first when the last round is done

SIGTERM and SIGINT end the run in good order: the results of the rounds so far are kept.
Exit status: 0 done or stopped, 1 failed, 2 bad arguments.)";

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string listen;
  std::string out;
  std::string port_file;
  int num_threads = 0;
  bool check = false;
  bool insecure = false;
  bool exit_when_done = false;
};

void AddOptions(Arguments& arguments, CLI::App& app) {
  app.add_option("--config", arguments.config, "Configuration file")->required();
  app.add_option("--set", arguments.overrides,
                 "FIELD=VALUE: overrides a field of the configuration; may be repeated")
      ->allow_extra_args(false);
  app.add_flag("--check", arguments.check,
               "Check configuration and data, print every field, open no socket");
  app.add_option("--listen", arguments.listen,
                 "HOST:PORT for devices, instead of server.listen; port 0 takes a free one");
  app.add_flag("--insecure", arguments.insecure,
               "Devices connect without TLS: neither authenticated nor encrypted");
  app.add_option("--port-file", arguments.port_file,
                 "File that the port is written to once devices can connect");
  app.add_option("--out", arguments.out,
                 "Directory for the results [runs/TASK-TIME]; must not hold a run");
  app.add_flag("--exit-when-done", arguments.exit_when_done,
               "Exit after the last round, once the devices know");
  app.add_option("--threads", arguments.num_threads, "Threads of an evaluation [one per processor]")
      ->check(CLI::Range(1, 1024));
  app.set_version_flag("--version", "tern-server " TERN_VERSION);
  app.footer(kExamples);
}

// --listen as an override: in YAML, where "[::]:9092" would be a list without quotes.
std::string ListenOverride(std::string listen) {
  for (size_t i = 0; (i = listen.find('\'', i)) != std::string::npos; i += 2) listen.insert(i, "'");
  return absl::StrCat("server.listen='", listen, "'");
}

void Warn(absl::string_view text) {
  std::fprintf(stderr, "tern-server: warning: %s\n", std::string(text).c_str());
}

absl::Status Main(Arguments arguments, const sigset_t& signals) {
  TERN_RETURN_IF_ERROR(ApplyKernelTargetFromEnvironment());
  if (!arguments.listen.empty()) {
    arguments.overrides.push_back(ListenOverride(arguments.listen));
  }
  ServerApp::Options options{.insecure = arguments.insecure,
                             .out = arguments.out,
                             .port_file = arguments.port_file,
                             .exit_when_done = arguments.exit_when_done,
                             .num_threads = arguments.num_threads};
  TERN_ASSIGN_OR_RETURN(options.config, LoadConfig(arguments.config, arguments.overrides));
  if (options.num_threads == 0) {
    options.num_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  const std::string resolved_yaml = options.config.resolved_yaml;
  const bool has_tls = !options.config.server.certificate_file.empty();
  TERN_ASSIGN_OR_RETURN(const auto app, ServerApp::Create(std::move(options)));
  if (arguments.check) {
    if (!has_tls && !arguments.insecure) Warn("server.tls is not given: starts only --insecure");
    std::printf("%sok\n", resolved_yaml.c_str());
    return absl::OkStatus();
  }
  if (arguments.insecure) Warn("--insecure: devices are neither authenticated nor encrypted");
  return app->Run(signals);
}

}  // namespace
}  // namespace tern::server

int main(int argc, char** argv) {
  // gRPC's own log says nothing that an error of ours does not; the variable brings it back.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // Before any thread: all inherit it, and only the main thread takes these signals, in
  // sigtimedwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A reader of standard output that goes away is no reason to lose a run.
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app("Tern's coordinator: devices check in over gRPC, train and send updates.");
  tern::server::Arguments arguments;
  tern::server::AddOptions(arguments, app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : tern::server::kBadArguments;
  }
  const absl::Status status = tern::server::Main(std::move(arguments), signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "tern-server: %s\n", std::string(status.message()).c_str());
  return 1;
}
