#include "simulation/attacks/attack.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "server/config/load_population.h"
#include "simulation/attacks/flipped_labels.h"
#include "simulation/client_id.h"

namespace tern::simulation {
namespace {

// Of the largest coordinate that the coordinator takes: codecs may round up.
constexpr float kShareOfLargest = 0.75f;

// What honest updates depend on that an attacker cannot know, or that differs between clients;
// empty: nothing.
std::string UnknownToAttackers(const server::Task& task) {
  if (task.adapt.widths != std::vector<double>{1.0}) return "task.adapt.widths";
  if (task.adapt.min_local_steps > 0) return "task.adapt.min_local_steps";
  if (task.Trainings().size() > 1) return "batches or memory modes to choose from in task.adapt";
  if (task.train.has_control()) return "task.train.method, which keeps state on devices";
  if (!task.train.personal.empty()) return "task.train.personal, which stays on devices";
  return "";
}

// This part of `clients`, rounded down, drawn at random.
std::set<int64_t> Draw(std::vector<int64_t> clients, double fraction, const RandomKey& key) {
  // 0.29 * 100 is 28.999999999999996.
  const double count = std::floor(fraction * static_cast<double>(clients.size()) + 1e-9);
  RandomStream(key).Shuffle(absl::MakeSpan(clients));
  return {clients.begin(), clients.begin() + static_cast<std::ptrdiff_t>(count)};
}

// start + update, at most max_abs away from start by the subtraction that makes the update again.
float MovedBy(float start, float update, float max_abs) {
  float moved = start + std::clamp(update, -max_abs, max_abs);
  while (std::abs(moved - start) > max_abs) moved = std::nextafter(moved, start);
  return moved;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Attack>> Attack::Create(const server::AttackOptions& options,
                                                             const server::Task& task,
                                                             const Dataset* dataset,
                                                             const Partition* partition) {
  TERN_RETURN_IF_ERROR(server::ValidateAttackOptions(options));
  const std::string unknown = UnknownToAttackers(task);
  if (FindLie(options.kind).knows_honest && !unknown.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("attack.kind ", options.kind,
                     " knows what honest clients send, expected a task where that depends on the "
                     "model and their examples only: it has ",
                     unknown));
  }
  const int64_t clients = options.per_cohort ? task.MaxSelected() : partition->num_clients();
  if (options.kind != "none" && options.fraction > 0.0 &&
      options.fraction * static_cast<double>(clients) < 1.0 - 1e-9) {
    return absl::InvalidArgumentError(
        absl::StrCat("attack.fraction is ", options.fraction, ", of ", clients,
                     options.per_cohort ? " clients of a round" : " clients",
                     " nobody, expected 0, or at least ", 1.0 / static_cast<double>(clients)));
  }
  return std::unique_ptr<const Attack>(new Attack(options, task, dataset, partition));
}

Attack::Attack(const server::AttackOptions& options, const server::Task& task,
               const Dataset* dataset, const Partition* partition)
    : options_(options),
      lie_(FindLie(options.kind)),
      seed_(task.seed),
      max_update_abs_(task.max_update_abs),
      dataset_(dataset),
      partition_(partition) {
  if (options_.per_cohort) return;
  std::vector<int64_t> clients(static_cast<size_t>(partition_->num_clients()));
  std::iota(clients.begin(), clients.end(), int64_t{0});
  attackers_ = Draw(std::move(clients), options_.fraction,
                    {.seed = seed_, .purpose = RandomPurpose::kAttack});
}

std::set<int64_t> Attack::AttackersOf(uint64_t round, absl::Span<const int64_t> cohort) const {
  if (options_.per_cohort) {
    return Draw({cohort.begin(), cohort.end()}, options_.fraction,
                {.seed = seed_, .round = round, .purpose = RandomPurpose::kAttack});
  }
  std::set<int64_t> attackers;
  for (const int64_t client : cohort) {
    if (attackers_.contains(client)) attackers.insert(client);
  }
  return attackers;
}

RoundAttack::RoundAttack(const Attack* attack, uint64_t round, std::vector<int64_t> cohort,
                         std::shared_ptr<const server::Model> model)
    : attack_(*attack),
      cohort_(std::move(cohort)),
      attackers_(attack->AttackersOf(round, cohort_)),
      model_(std::move(model)) {}

absl::StatusOr<TrainReport> RoundAttack::Train(Trainer& trainer, const Plan& plan, uint64_t client,
                                               const Dataset& dataset, absl::Span<float> parameters,
                                               absl::Span<float> control) {
  const LieKind& lie = attack_.lie_;
  LieInputs inputs = {.scale = attack_.options_.scale,
                      .cohort_size = static_cast<int64_t>(cohort_.size()),
                      .num_attackers = static_cast<int64_t>(attackers_.size()),
                      .key = {.seed = attack_.seed_,
                              .round = plan.round,
                              .client = client,
                              .purpose = RandomPurpose::kAttack}};
  if (lie.knows_honest) {
    TERN_RETURN_IF_ERROR(LearnHonestUpdates(trainer, plan));
    inputs.honest = &honest_;
  }
  const std::vector<float> start(parameters.begin(), parameters.end());
  const FlippedLabels flipped(&dataset);
  const Dataset& examples = lie.flips_labels ? static_cast<const Dataset&>(flipped) : dataset;
  TERN_ASSIGN_OR_RETURN(TrainReport report,
                        trainer.Train(plan, client, examples, parameters, control));
  if (lie.tell == nullptr) return report;
  for (size_t i = 0; i < start.size(); ++i) parameters[i] -= start[i];
  lie.tell(inputs, parameters);
  float most = kShareOfLargest * attack_.max_update_abs_;
  if (plan.train.method == ClientMethod::kScaffold) {
    // The control variate is the update over all that the steps could have moved.
    most *= std::min(1.0f, static_cast<float>(report.local_steps) * plan.train.learning_rate);
  }
  for (size_t i = 0; i < start.size(); ++i) {
    parameters[i] = MovedBy(start[i], parameters[i], most);
  }
  return report;
}

absl::Status RoundAttack::LearnHonestUpdates(Trainer& trainer, const Plan& plan) {
  MutexLock lock(mutex_);
  if (!std::exchange(has_learned_, true)) {
    for (const int64_t member : cohort_) {
      if (IsAttacker(member)) continue;
      const DatasetView examples(attack_.dataset_, attack_.partition_->client(member));
      std::vector<float> update = model_->parameters;
      const absl::StatusOr<TrainReport> trained =
          trainer.Train(plan, HashClientId(ClientId(member)), examples, absl::MakeSpan(update), {});
      if (!trained.ok()) continue;
      for (size_t i = 0; i < update.size(); ++i) update[i] -= model_->parameters[i];
      honest_.Add(update);
    }
  }
  if (honest_.count() > 0) return absl::OkStatus();
  return absl::FailedPreconditionError("no honest client of the cohort has an update to lie about");
}

}  // namespace tern::simulation
