// A session whose plans have a control variate.
#ifndef TERN_TESTS_CLIENT_CONTROL_SESSION_H_
#define TERN_TESTS_CLIENT_CONTROL_SESSION_H_

#include <string>
#include <vector>

#include "tests/client/session_tools.h"

namespace tern::client {

// a + factor * b
inline std::vector<float> Sum(const std::vector<float>& a, const std::vector<float>& b,
                              float factor = 1.0f) {
  std::vector<float> sum = a;
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += factor * b.at(i);
  return sum;
}

class ControlSession : public SessionTools {
 protected:
  // steps * learning_rate is 1.
  ControlSession() { trainer_.local_steps = 4; }

  Plan PlanOf(ClientMethod method, const std::string& codec = "none") const {
    Plan plan = {.model = DenseModel(2, 2),
                 .train = {.learning_rate = 0.25f, .method = method},
                 .codec = codec,
                 .round = 1};
    if (method == ClientMethod::kFedDyn) plan.train.proximal_mu = 0.5f;
    return plan;
  }
  std::vector<float> KeptControl(const Plan& plan) {
    return Kept(kStoredControl, plan, state_, model_.size());
  }

  const std::vector<float> model_ = {1, 2, 3, 4, 5, 6};
  const std::vector<float> server_ = {0.5, 0.25, -0.5, 0, 1, 2};  // c
  const std::vector<float> update_ = {1, -4, 2, 0.5, 3, -0.25};
};

}  // namespace tern::client

#endif  // TERN_TESTS_CLIENT_CONTROL_SESSION_H_
