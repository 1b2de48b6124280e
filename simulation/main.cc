// tern-sim: federated learning with many virtual clients in one process.
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compression/codec.h"
#include "core/engine/kernel_target.h"
#include "simulation/codec_command.h"
#include "simulation/plan_command.h"
#include "simulation/report_command.h"
#include "simulation/run_command.h"
#include "simulation/updates.h"

namespace {

std::string CheckSvgName(const std::string& file) {
  const bool ends_well = file.empty() || absl::EndsWith(file, ".svg");
  return ends_well ? "" : "the drawing is an SVG file, give it a name in .svg";
}

void AddConfigOptions(CLI::App& command, std::string& config, std::vector<std::string>& overrides) {
  command.add_option("config", config, "Configuration file (YAML)")->required();
  command.add_option("--set", overrides, "Overrides a field: a.b.c=value; may be repeated")
      ->allow_extra_args(false);
}

// Each adds a subcommand whose options are read into `command`.
CLI::App* AddRun(CLI::App& app, tern::simulation::RunCommand& command) {
  CLI::App* run = app.add_subcommand(
      "run",
      "Trains a task from a configuration file; with simulation.lab, once for each attack, defence "
      "and seed");
  AddConfigOptions(*run, command.config, command.overrides);
  run->add_option("--out", command.out,
                  "Directory for the results (default: runs/<task name>-<time>)");
  command.num_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  run->add_option("--threads", command.num_threads,
                  "Worker threads (default: one per processor); the models do not depend on it")
      ->check(CLI::Range(1, 1024));
  run->add_option("--record-updates", command.record_updates,
                  "Keeps so many updates, from the first on, as they were before they were "
                  "encoded: updates/*.tern in the directory, for tern-sim codec")
      ->check(CLI::Range(0, 1'000'000));
  run->footer(
      "Examples:\n"
      "  tern-sim run simulation/configs/quickstart.yaml\n"
      "  tern-sim run simulation/configs/w1.yaml --threads 2 --out runs/w1\n"
      "  tern-sim run simulation/configs/quickstart.yaml --set task.num_rounds=3 \\\n"
      "      --set 'task.codec.up=none'\n"
      "  tern-sim run simulation/configs/quickstart.yaml \\\n"
      "      --set 'simulation.attack={kind: sign_flip, fraction: 0.2, scale: 4}'\n"
      "  tern-sim run simulation/configs/attack_lab.yaml --out runs/attack_lab\n"
      "Of a lab, the directory holds the table of accuracies as attack_lab.json, attack_lab.svg "
      "and "
      "report.html.");
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
      ->check(CheckSvgName);
  plan->footer(
      "Examples:\n"
      "  tern-sim plan simulation/configs/quickstart.yaml\n"
      "  tern-sim plan simulation/configs/quickstart.yaml --memory memory.svg\n"
      "  tern-sim plan my.yaml --set 'task.adapt.widths=[1, 0.5, 0.25]' "
      "--set task.round.deadline_s=60");
  return plan;
}

std::string CodecHelp() {
  std::string help =
      "Columns: NMSE is the squared error over the squared norm. dR is how many bits per "
      "parameter\n"
      "it takes beyond the limit of a Gaussian source at this NMSE, R + log2(NMSE)/2, or R where\n"
      "NMSE is above 1. An update is one tensor here, all of it trained: neither the floor of topk "
      "nor\n"
      "mask makes a difference. GB/s of 32-bit floats on one thread: encoding is of the whole "
      "frame, decoding is adding a validated update "
      "to\n"
      "the sum of the coordinator's mean (rotated ones stay rotated until the round ends).\n\n"
      "Stages, joined by '|':\n";
  for (const tern::compression::StageInfo& stage : tern::compression::ListStages()) {
    absl::StrAppendFormat(&help, "  %-28s  %s\n", stage.usage, stage.description);
  }
  absl::StrAppend(
      &help,
      "\nExamples:\n"
      "  tern-sim codec\n"
      "  tern-sim codec 'rotate|eden(2)|rans' 'topk(0.01)|ternary|rice' --distribution laplace\n"
      "  tern-sim codec --update runs/mine/updates/round_0001_client-3.tern --plot codecs.svg");
  return help;
}

CLI::App* AddCodec(CLI::App& app, tern::simulation::CodecCommand& command) {
  CLI::App* codec = app.add_subcommand(
      "codec", "Shows what codecs make of an update: bytes, error, speed; trains nothing");
  codec->add_option("codecs", command.codecs,
                    "Codecs, stage|stage|...; put them in quotes (default: some of each stage)");
  CLI::Option* update =
      codec->add_option("--update", command.update,
                        "A recorded update: a frame of codec none (run --record-updates)");
  codec
      ->add_option("--distribution", command.distribution,
                   "Draws the update: gaussian (default), laplace, or student (3 degrees of "
                   "freedom)")
      ->check(CLI::IsMember(tern::simulation::DistributionNames()))
      ->excludes(update);
  codec->add_option("--count", command.count, "Parameters of a drawn update (default: 2^20)")
      ->excludes(update);
  codec->add_option("--seed", command.seed, "Of a drawn update (default: 1)")->excludes(update);
  codec
      ->add_option("--repetitions", command.repetitions,
                   "Takes the median of so many (default: of as many as take 0.2 s)")
      ->check(CLI::Range(1, tern::simulation::kMaxRepetitions));
  codec->add_flag_callback(
      "--no-timing", [&command] { command.timing = false; }, "Measures no speeds");
  codec->add_option("--json", command.json, "Writes the numbers to this file, too");
  codec->add_option("--plot", command.plot, "Draws NMSE over bits per parameter: FILE.svg")
      ->check(CheckSvgName);
  codec->footer(CodecHelp());
  return codec;
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
  tern::simulation::CodecCommand codec_command;
  const CLI::App* codec = AddCodec(app, codec_command);
  app.footer("tern-sim run --help shows its options and examples.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  absl::Status status = tern::ApplyKernelTargetFromEnvironment();
  if (status.ok()) {
    status = plan->parsed()     ? tern::simulation::ShowPlans(plan_command)
             : codec->parsed()  ? tern::simulation::ShowCodecs(codec_command)
             : report->parsed() ? tern::simulation::WriteReport(report_command)
                                : tern::simulation::Run(run_command);
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "tern-sim: %s\n", std::string(status.message()).c_str());
  return 1;
}
