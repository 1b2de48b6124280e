// What dishonest clients make of the update that honest training would have given. n: clients of
// the round's cohort; f: attackers among them; s: the scale.
//
//   label_flip         trained on the labels classes - 1 - y instead of y (Fang et al. 2020)
//   sign_flip          -s times the update; s: 1 (as in ByzFL)
//   gaussian           noise N(0, s^2) in each coordinate, whatever the update is; s: 1 (Blanchard
//                      et al. 2017, whose s is 200)
//   model_replacement  that of label_flip, times s; s: n / f, so that the mean over the cohort
//                      becomes the attackers' model (Bagdasaryan et al. 2020, section 4.2)
//   alie               "a little is enough" (Baruch et al. 2019): of each coordinate the honest
//                      updates' mean, all weighted alike, minus s standard deviations, the same
//                      from all attackers; s: z of the paper (AlieScale)
//   ipm                inner product manipulation (Xie et al. 2020): -s times the mean of the
//   honest
//                      updates, the same from all attackers; s: 0.5, the paper's epsilon against
//                      rules that keep to the majority; the plain mean turns round only above
//                      (n - f) / f
//   free_rider         nothing is trained: 0, and noise N(0, s^2) that hides it; s: 0
//
// Whatever they send, attackers report of their training what it gave: of kinds that flip labels,
// on those.
#ifndef TERN_SIMULATION_ATTACKS_LIES_H_
#define TERN_SIMULATION_ATTACKS_LIES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/random.h"
#include "simulation/attacks/honest_updates.h"

namespace tern::simulation {

// What a lie depends on besides the update.
struct LieInputs {
  double scale = 0.0;  // 0: the kind's own
  int64_t cohort_size = 0;
  int64_t num_attackers = 0;              // of the cohort, this one included
  const HonestUpdates* honest = nullptr;  // for kinds that know them; at least one
  RandomKey key = {};                     // of the attacker in this round
};

struct LieKind {
  absl::string_view name;
  bool flips_labels = false;  // trains on them
  bool knows_honest = false;  // the honest updates of the round
  // Replaces the update of the attacker's own training; null: that is the lie.
  void (*tell)(const LieInputs& inputs, absl::Span<float> update) = nullptr;
};

// `name` is one of server::AttackNames().
const LieKind& FindLie(absl::string_view name);

// The largest z for which so many honest updates lie beyond mean - z sigma that the lie passes for
// one of the majority: of n clients f attack, s = floor(n / 2 + 1) - f honest ones are needed, and
// z = Phi^-1((n - f - s) / (n - f)) (Baruch et al. 2019, section 3). Not below 0; where attackers
// have the majority themselves, as if they needed one. 0 < f < n.
double AlieScale(int64_t cohort_size, int64_t num_attackers);

}  // namespace tern::simulation

#endif  // TERN_SIMULATION_ATTACKS_LIES_H_
