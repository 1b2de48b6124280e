// Dishonest clients of a simulation: who they are, and how they lie. The deployed session does
// everything else, so that a lie is encoded, sent and validated like the truth.
#ifndef TERN_SIMULATION_ATTACKS_ATTACK_H_
#define TERN_SIMULATION_ATTACKS_ATTACK_H_

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/mutex.h"
#include "core/data/dataset.h"
#include "core/data/partition.h"
#include "core/train/trainer.h"
#include "server/config/load_config.h"
#include "server/model.h"
#include "server/task.h"
#include "simulation/attacks/honest_updates.h"
#include "simulation/attacks/lies.h"

namespace tern::simulation {

// Immutable. What it points to must outlive it.
class Attack {
 public:
  // Client i is ClientId(i), and honest with partition->client(i) of `dataset`.
  //
  // INVALID_ARGUMENT: as ValidateAttackOptions; or a kind that knows the honest updates, and a task
  // in which they depend on more than the model and the clients' examples (says on what).
  static absl::StatusOr<std::unique_ptr<const Attack>> Create(const server::AttackOptions& options,
                                                              const server::Task& task,
                                                              const Dataset* dataset,
                                                              const Partition* partition);

  // The attackers among `cohort`, the clients of `round`: a function of these and the seed.
  std::set<int64_t> AttackersOf(uint64_t round, absl::Span<const int64_t> cohort) const;

 private:
  friend class RoundAttack;
  Attack(const server::AttackOptions& options, const server::Task& task, const Dataset* dataset,
         const Partition* partition);

  const server::AttackOptions options_;
  const LieKind& lie_;
  const uint64_t seed_;
  const float max_update_abs_;
  const Dataset* dataset_;
  const Partition* partition_;
  std::set<int64_t> attackers_;  // unless they are drawn for each round
};

// One round of it. Thread-safe.
class RoundAttack {
 public:
  // `attack` must outlive it. `model`: that the round trains.
  RoundAttack(const Attack* attack, uint64_t round, std::vector<int64_t> cohort,
              std::shared_ptr<const server::Model> model);

  bool IsAttacker(int64_t client) const { return attackers_.contains(client); }

  // As Trainer::Train with `trainer`, by one of the attackers: out, `parameters` differ by the lie
  // from what they were. No coordinate of it is larger than three quarters of what the coordinator
  // takes.
  //
  // Kinds that know the honest updates train those first, once a round, with `trainer` and this
  // plan, from the round's model on the examples of the honest clients of the cohort: what these
  // will send without error feedback, whether or not they come through. An honest client whose
  // training fails is left out; FAILED_PRECONDITION if none is left.
  absl::StatusOr<TrainReport> Train(Trainer& trainer, const Plan& plan, uint64_t client,
                                    const Dataset& dataset, absl::Span<float> parameters,
                                    absl::Span<float> control);

 private:
  // The first to come trains them, others wait. The same bits whoever it is.
  absl::Status LearnHonestUpdates(Trainer& trainer, const Plan& plan);

  const Attack& attack_;
  const std::vector<int64_t> cohort_;
  const std::set<int64_t> attackers_;
  const std::shared_ptr<const server::Model> model_;
  Mutex mutex_;
  bool has_learned_ ABSL_GUARDED_BY(mutex_) = false;
  HonestUpdates honest_;  // written once, under mutex_
};

// The trainer of an attacker.
class LyingTrainer final : public Trainer {
 public:
  // Both must outlive it.
  LyingTrainer(Trainer* trainer, RoundAttack* attack) : trainer_(trainer), attack_(attack) {}

  absl::Status Prepare(const Plan& plan, int64_t num_examples) override {
    return trainer_->Prepare(plan, num_examples);
  }
  absl::StatusOr<TrainReport> Train(const Plan& plan, uint64_t client, const Dataset& dataset,
                                    absl::Span<float> parameters,
                                    absl::Span<float> control) override {
    return attack_->Train(*trainer_, plan, client, dataset, parameters, control);
  }

 private:
  Trainer* trainer_;
  RoundAttack* attack_;
};

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ATTACKS_ATTACK_H_
