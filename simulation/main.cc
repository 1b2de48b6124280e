// tern-sim: federated learning with many virtual clients in one process.
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/engine/kernel_target.h"
#include "simulation/plan_command.h"
#include "simulation/report_command.h"
#include "simulation/run_command.h"

namespace {

void AddConfigOptions(CLI::App& command, std::string& config, std::vector<std::string>& overrides) {
  command.add_option("config", config, "Configuration file (YAML)")->required();
  command.add_option("--set", overrides, "Overrides a field: a.b.c=value; may be repeated")
      ->allow_extra_args(false);
}

// Each adds a subcommand whose options are read into `command`.
CLI::App* AddRun(CLI::App& app, tern::simulation::RunCommand& command) {
  CLI::App* run = app.add_subcommand("run", "Trains a task from a configuration file");
  AddConfigOptions(*run, command.config, command.overrides);
  run->add_option("--out", command.out,
                  "Directory for the results (default: runs/<task name>-<time>)");
  command.num_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  run->add_option("--threads", command.num_threads,
                  "Worker threads (default: one per processor); the models do not depend on it")
      ->check(CLI::Range(1, 1024));
  run->footer(
      "Examples:\n"
      "  tern-sim run simulation/configs/quickstart.yaml\n"
      "  tern-sim run simulation/configs/w1.yaml --threads 2 --out runs/w1\n"
      "  tern-sim run simulation/configs/quickstart.yaml --set task.num_rounds=3 \\\n"
      "      --set 'task.codec.up=none'");
  return run;
}

CLI::App* AddPlan(CLI::App& app, tern::simulation::PlanCommand& command) {
  CLI::App* plan = app.add_subcommand(
      "plan", "Shows what a round would cost each class of devices; trains nothing");
  AddConfigOptions(*plan, command.config, command.overrides);
  plan->add_option_function<std::string>(
          "--memory",
          [&command](const std::string& file) {
            command.memory = true;
            command.memory_svg = file;
          },
          "Shows what the memory of each plan is made of, step by step; draws it into a FILE.svg, "
          "too, if one is given")
      ->expected(0, 1)
      ->type_name("[FILE.svg]")
      ->check([](const std::string& file) {
        const bool ends_well = file.empty() || absl::EndsWith(file, ".svg");
        return ends_well ? "" : absl::StrCat("the drawing is an SVG file, give it a name in .svg");
      });
  plan->footer(
      "Examples:\n"
      "  tern-sim plan simulation/configs/quickstart.yaml\n"
      "  tern-sim plan simulation/configs/quickstart.yaml --memory memory.svg\n"
      "  tern-sim plan my.yaml --set 'task.adapt.widths=[1, 0.5, 0.25]' "
      "--set task.round.deadline_s=60");
  return plan;
}

CLI::App* AddReport(CLI::App& app, tern::simulation::ReportCommand& command) {
  CLI::App* report = app.add_subcommand(
      "report", "Writes a run's report.html again, or a page that compares runs");
  report->add_option("directories", command.directories, "Directories of runs")->required();
  report->add_option("--out", command.out,
                     "File to write (default: report.html in the directory; comparison.html here "
                     "for several)");
  report->footer(
      "Examples:\n"
      "  tern-sim report runs/mine\n"
      "  tern-sim report runs/float32 runs/quantized --out codecs.html");
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulates federated learning with many virtual clients in one process.",
               "tern-sim");
  app.set_version_flag("--version", TERN_VERSION);
  app.require_subcommand(1);
  tern::simulation::RunCommand run_command;
  tern::simulation::PlanCommand plan_command;
  AddRun(app, run_command);
  const CLI::App* plan = AddPlan(app, plan_command);
  tern::simulation::ReportCommand report_command;
  const CLI::App* report = AddReport(app, report_command);
  app.footer("tern-sim run --help shows its options and examples.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  absl::Status status = tern::ApplyKernelTargetFromEnvironment();
  if (status.ok()) {
    status = plan->parsed()     ? tern::simulation::ShowPlans(plan_command)
             : report->parsed() ? tern::simulation::WriteReport(report_command)
                                : tern::simulation::Run(run_command);
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "tern-sim: %s\n", std::string(status.message()).c_str());
  return 1;
}
