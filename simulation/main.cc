// tern-sim: federated learning with many virtual clients in one process.
#include <algorithm>
#include <cstdio>
#include <thread>

#include "CLI/CLI.hpp"
#include "core/engine/gemm.h"
#include "simulation/run_command.h"

int main(int argc, char** argv) {
  CLI::App app("Simulates federated learning with many virtual clients in one process.",
               "tern-sim");
  app.set_version_flag("--version", TERN_VERSION);
  app.require_subcommand(1);
  tern::simulation::RunCommand command;
  command.num_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));

  CLI::App* run = app.add_subcommand("run", "Trains a task from a configuration file");
  run->add_option("config", command.config, "Configuration file (YAML)")->required();
  run->add_option("--set", command.overrides, "Overrides a field: a.b.c=value; may be repeated")
      ->allow_extra_args(false);
  run->add_option("--out", command.out,
                  "Directory for the results (default: runs/<task name>-<time>)");
  run->add_option("--threads", command.num_threads,
                  "Worker threads (default: one per processor); the models do not depend on it")
      ->check(CLI::Range(1, 1024));
  run->footer(
      "Examples:\n"
      "  tern-sim run simulation/configs/quickstart.yaml\n"
      "  tern-sim run simulation/configs/w1.yaml --threads 2 --out runs/w1\n"
      "  tern-sim run simulation/configs/quickstart.yaml --set task.num_rounds=3 \\\n"
      "      --set 'task.codec.up=none'");
  app.footer("tern-sim run --help shows its options and examples.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  absl::Status status = tern::ApplyKernelTargetFromEnvironment();
  if (status.ok()) status = tern::simulation::Run(command);
  if (status.ok()) return 0;
  std::fprintf(stderr, "tern-sim: %s\n", std::string(status.message()).c_str());
  return 1;
}
