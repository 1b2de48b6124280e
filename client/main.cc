// tern-client: trains on this machine's data for a coordinator, until told to stop.
#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/device_state.h"
#include "client/grpc/grpc_transport.h"
#include "client/session.h"
#include "client/stop_signal.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/data/partition.h"
#include "core/data/sources.h"
#include "core/engine/kernel_target.h"
#include "core/train/engine_trainer.h"
#include "core/wire/messages.h"

namespace tern::client {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kBadArguments = 2;

constexpr char kExamples[] = R"(Examples:
  tern-client --server 127.0.0.1:9092 --insecure --client-id client-3 \
              --data fashion_mnist:shard=3/10
  tern-client --server fl.example.org:9092 --tls-root ca.crt --tls-cert me.crt --tls-key me.key \
              --client-id sensor-17 --data fashion_mnist:path=/var/lib/images
  tern-client --server 127.0.0.1:9092 --insecure --client-id camera-4 --data fashion_mnist:shard=4/10 \
              --state-dir /var/lib/tern --ram-kb 640 --uplink-bytes-per-second 20e3 \
              --flops-per-second 50e6 --battery-joules 30

SIGTERM and SIGINT stop it after the step under way; a second one stops it at once.
Exit status: 0 task finished or stopped by a signal; 1 refused, failed or gave up; 2 bad arguments.)";

struct Arguments {
  GrpcTransportOptions transport;
  SessionOptions session;
  std::string data;
  std::string state_dir;
  int64_t ram_mb = 0;
  int64_t ram_kb = 0;
  int64_t storage_mb = 0;
  int64_t give_up_after_s = 600;
  bool quiet = false;
};

// What the device says of itself; the coordinator chooses a plan that fits.
void AddDeviceOptions(CLI::App& app, Arguments& arguments) {
  const CLI::Validator is_quantity(
      [](const std::string& text) {
        double number = 0.0;
        const bool ok = absl::SimpleAtod(text, &number) && std::isfinite(number) && number > 0.0;
        return ok ? "" : absl::StrCat("'", text, "' is not a number above 0");
      },
      "");
  const auto add = [&app](const char* name, auto& value, const char* description) {
    return app.add_option(name, value, absl::StrCat(description, ". Default: not said"))
        ->type_name("N")
        ->group("The device");
  };
  Capabilities& capabilities = arguments.session.capabilities;
  CLI::Option* ram_mb =
      add("--ram-mb", arguments.ram_mb,
          "Memory that training may use, in MiB; the coordinator gives a plan that needs no more")
          ->check(CLI::Range(1, 1 << 30));
  add("--ram-kb", arguments.ram_kb, "As --ram-mb, in KiB, for small devices")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->excludes(ram_mb);
  add("--storage-mb", arguments.storage_mb,
      "Storage that the state between rounds may take, in MiB")
      ->check(CLI::Range(1, 1 << 30));
  add("--flops-per-second", capabilities.flops_per_second,
      "Floating-point operations that training does in a second")
      ->check(is_quantity);
  add("--downlink-bytes-per-second", capabilities.downlink_bytes_per_second,
      "Speed of the link from the coordinator")
      ->check(is_quantity);
  add("--uplink-bytes-per-second", capabilities.uplink_bytes_per_second,
      "Speed of the link to the coordinator")
      ->check(is_quantity);
  add("--battery-joules", capabilities.battery_joules, "Energy that one round may use")
      ->check(is_quantity);
}

void AddOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("--server", arguments.transport.server, "Coordinator, HOST:PORT")
      ->required()
      ->type_name("HOST:PORT");
  app.add_option("--data", arguments.data,
                 "Examples to train on, NAME[:key=value,...] with the keys path=DIR, shard=I/N, "
                 "seed=S (of the cut into shards, default 1) and how they are cut: "
                 "partition=iid|dirichlet|shards|classes|quantity (default iid), alpha=A, "
                 "min_examples=N, shards_per_client=N, classes_per_client=N")
      ->required()
      ->type_name("SPEC");
  app.add_option("--client-id", arguments.session.client_id,
                 "Who this is: 1 to 128 printable characters without spaces; with --tls-cert the "
                 "name in the certificate")
      ->required()
      ->type_name("ID");
  CLI::Option* insecure = app.add_flag("--insecure", arguments.transport.insecure,
                                       "No TLS: neither encrypted nor authenticated");
  app.add_option("--tls-root", arguments.transport.root_certificates_file,
                 "Certificates that vouch for the coordinator (PEM); default: the system's")
      ->type_name("FILE")
      ->excludes(insecure);
  CLI::Option* certificate =
      app.add_option("--tls-cert", arguments.transport.certificate_file,
                     "This client's certificate (PEM), where the coordinator demands one")
          ->type_name("FILE")
          ->excludes(insecure);
  CLI::Option* key = app.add_option("--tls-key", arguments.transport.private_key_file,
                                    "Private key of --tls-cert (PEM, without a password)")
                         ->type_name("FILE")
                         ->excludes(insecure)
                         ->needs(certificate);
  certificate->needs(key);
  app.add_option("--state-dir", arguments.state_dir,
                 "Directory for what is kept between rounds (what encoding left out); made if "
                 "need be, one for each client. Default: in memory, lost when the program ends")
      ->type_name("DIR");
  AddDeviceOptions(app, arguments);
  app.add_option("--give-up-after", arguments.give_up_after_s,
                 "Ends after the coordinator was out of reach for so long")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  app.add_flag("--quiet", arguments.quiet, "Print nothing but warnings and errors");
  app.set_version_flag("--version", "tern-client " TERN_VERSION);
  app.footer(kExamples);
}

// One line per event, whole lines only: other programs read them.
void Log(absl::string_view message) {
  const std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3S", absl::Now(), absl::LocalTimeZone()), " ",
                   message, "\n");
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

void Complain(absl::string_view message) {
  const std::string line = absl::StrCat("tern-client: ", message, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// The client's examples: a view of its shard, and what the view looks into.
struct Shard {
  std::unique_ptr<Dataset> all;
  Partition partition;
  std::unique_ptr<Dataset> view;
};

absl::StatusOr<Shard> LoadShard(const ShardSpec& spec) {
  Shard shard;
  TERN_ASSIGN_OR_RETURN(shard.all, LoadDataset(spec.source, Split::kTrain));
  TERN_ASSIGN_OR_RETURN(shard.partition,
                        MakePartition(*shard.all, spec.partition, spec.num_shards, spec.seed));
  shard.view = std::make_unique<DatasetView>(shard.all.get(), shard.partition.client(spec.shard));
  return shard;
}

// Steps until the session has ended or a signal arrives.
int Drive(Session& session, StopSignal& stop, bool quiet) {
  while (true) {
    const Session::Progress progress = session.Step();
    const bool failed =
        progress.next == Session::State::kRefused || progress.next == Session::State::kFailed;
    if (failed) {
      Complain(progress.message);
      return kFailed;
    }
    if (!quiet && !progress.message.empty()) Log(progress.message);
    if (progress.next == Session::State::kFinished) return kDone;
    if (stop.WaitFor(progress.wait)) {
      if (!quiet) {
        Log(absl::StrCat("stopped by signal; ", session.updates_accepted(),
                         " updates of this client counted"));
      }
      return kDone;
    }
  }
}

// What the arguments name, without the data.
struct Setup {
  ShardSpec data;
  std::unique_ptr<DeviceState> state;
  std::unique_ptr<Transport> transport;
};

absl::StatusOr<Setup> SetUp(const Arguments& arguments) {
  TERN_RETURN_IF_ERROR(ValidateClientId(arguments.session.client_id));
  Setup setup;
  TERN_ASSIGN_OR_RETURN(setup.data, ParseShardSpec(arguments.data));
  TERN_ASSIGN_OR_RETURN(setup.transport, MakeGrpcTransport(arguments.transport));
  if (arguments.state_dir.empty()) {
    setup.state = std::make_unique<MemoryDeviceState>();
  } else {
    TERN_ASSIGN_OR_RETURN(setup.state, OpenDirectoryDeviceState(arguments.state_dir));
  }
  return setup;
}

absl::StatusOr<int> Run(const Arguments& arguments, const Setup& setup, StopSignal& stop) {
  TERN_RETURN_IF_ERROR(ApplyKernelTargetFromEnvironment());
  TERN_ASSIGN_OR_RETURN(const Shard shard, LoadShard(setup.data));
  if (arguments.transport.insecure) {
    Complain("warning: --insecure: traffic is neither encrypted nor authenticated");
  }
  if (!arguments.quiet) {
    Log(absl::StrCat("client ", arguments.session.client_id, ": ", shard.view->size(),
                     " examples of ", setup.data.source.name, ", coordinator at ",
                     arguments.transport.server, ", kernels for ", KernelTarget()));
  }
  EngineTrainer trainer;
  const MonotonicClock clock;
  SessionBuffers buffers;
  Session session(arguments.session, {.transport = setup.transport.get(),
                                      .trainer = &trainer,
                                      .dataset = shard.view.get(),
                                      .clock = &clock,
                                      .buffers = &buffers,
                                      .state = setup.state.get()});
  return Drive(session, stop, arguments.quiet);
}

int Main(int argc, char** argv) {
  // gRPC's own log says nothing that an error of ours does not; the variable brings it back.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  CLI::App app("Trains on this machine's data for a Tern coordinator, until told to stop.");
  Arguments arguments;
  AddOptions(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kBadArguments;
  }
  Capabilities& capabilities = arguments.session.capabilities;
  capabilities.ram_bytes = arguments.ram_mb * 1024 * 1024 + arguments.ram_kb * 1024;
  capabilities.storage_bytes = arguments.storage_mb * 1024 * 1024;
  arguments.session.give_up_after = absl::Seconds(arguments.give_up_after_s);
  StopSignal stop;  // before anything that starts threads
  const absl::StatusOr<Setup> setup = SetUp(arguments);
  if (!setup.ok()) {
    Complain(setup.status().message());
    return kBadArguments;
  }
  const absl::StatusOr<int> status = Run(arguments, *setup, stop);
  if (status.ok()) return *status;
  Complain(status.status().message());
  return kFailed;
}

}  // namespace
}  // namespace tern::client

int main(int argc, char** argv) {
  // A reader of the log that goes away is no reason to stop training.
  std::signal(SIGPIPE, SIG_IGN);
  return tern::client::Main(argc, argv);
}
