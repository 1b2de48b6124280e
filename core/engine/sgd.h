// What a step of SGD does with a gradient beyond subtracting it, and the vectors that this takes.
// The update is that of PyTorch's SGD without dampening, of one step after another:
//   g = gradient of the loss + proximal_mu * (w - start)     FedProx (Li et al. 2020, section 3.2)
//                            + control                       SCAFFOLD (Karimireddy et al. 2020, eq.
//                            3)
//   each element of g to [-clip_value, clip_value]
//   g *= min(1, clip_norm / (|g| + 1e-6))                    as clip_grad_norm_
//   d = g + weight_decay * w
//   velocity = momentum * velocity + d
//   w -= learning_rate * (momentum == 0 ? d : nesterov ? d + momentum * velocity : velocity)
//   w = 0 where masked
// Runs on the kernel target, with the same bits on every one.
#ifndef TERN_CORE_ENGINE_SGD_H_
#define TERN_CORE_ENGINE_SGD_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/engine/trained_parameters.h"

namespace tern {

// 0 (false): without it. learning_rate * (weight_decay + proximal_mu) is below 1.
struct SgdOptions {
  float learning_rate = 0.0f;
  float momentum = 0.0f;  // below 1
  bool nesterov = false;  // only with a momentum
  float weight_decay = 0.0f;
  float clip_norm = 0.0f;
  float clip_value = 0.0f;
  float proximal_mu = 0.0f;

  // Whether a step needs a vector beside the parameters, as long as they are. Only what looks at a
  // whole gradient, or uses it twice, keeps one: all else is added to where it goes.
  bool needs_velocity() const { return momentum > 0.0f; }
  bool needs_gradient() const { return clip_norm > 0.0f || clip_value > 0.0f || nesterov; }
  bool needs_start() const { return proximal_mu > 0.0f; }
};

// Vectors have the trained coordinates only (TrainedParameters::size of them); each but the last
// two is there if the options need it, else it is not looked at.
struct SgdVectors {
  absl::Span<float> velocity;       // of all steps together; zeros before the first
  absl::Span<float> gradient;       // for the length of a step
  absl::Span<const float> start;    // the parameters that proximal_mu pulls to
  absl::Span<const float> control;  // added to every gradient; empty: none
  // Bit i % 8 of byte i / 8: whether trained coordinate i is more than a constant zero. Empty: all
  // are. Masked coordinates are 0 after every step, and have no part in clip_norm.
  absl::Span<const uint8_t> mask;
};

// An update of the trained ranges of `parameters`, the flat vector of a model.
class SgdUpdate {
 public:
  // All spans outlive it.
  SgdUpdate(const SgdOptions& options, const SgdVectors& vectors, const TrainedParameters& trained,
            absl::Span<float> parameters);

  // What a step does when it needs no gradient vector but a velocity: this before the backward
  // pass, which then adds its gradient to the velocity.
  void DecayVelocity() const;
  // This after it.
  void ApplyVelocity() const;

  // What a step does when it needs neither: the backward pass adds the gradient to the parameters,
  // times this factor, and ApplyPenalties follows.
  float InPlaceScale() const;
  void ApplyPenalties() const;

  // What a step does with a gradient vector that holds the gradient of the loss. Changes it.
  void ApplyGradient() const;

 private:
  bool has_penalties() const;
  // out = keep * out + scale * (decay * w + proximal_mu * (w - start) + control), of the range.
  void AddPenalties(const TrainedRange& range, float keep, float scale, float decay,
                    float* out) const;
  void MaskParameters() const;

  const SgdOptions& options_;
  const SgdVectors& vectors_;
  const TrainedParameters& trained_;
  absl::Span<float> parameters_;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_SGD_H_
