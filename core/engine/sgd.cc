#include "core/engine/sgd.h"

#include <cmath>
#include <cstdint>

#include "core/base/check.h"
#include "core/engine/elementwise.h"
#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/sgd.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// Products are rounded before they are added, and sums are over the same sixteen partial sums on
// every target.

// out = keep * out + scale * (decay * w + mu * (w - start)). `out` may be w, `start` as well.
void AddPenaltiesOnTarget(float keep, float scale, float decay, float mu, const float* w,
                          const float* start, int64_t count, float* out) {
  const FloatTag d;
  const auto keep_vector = hn::Set(d, keep);
  const auto decay_vector = hn::Set(d, scale * decay);
  const auto mu_vector = hn::Set(d, scale * mu);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(w + i);
    const auto decayed = hn::Mul(decay_vector, x);
    const auto pulled = hn::Mul(mu_vector, hn::Sub(x, lanes.Load(start + i)));
    const auto kept = hn::Mul(keep_vector, lanes.Load(out + i));
    lanes.Store(hn::Add(kept, hn::Add(decayed, pulled)), out + i);
  });
}

// Not a number stays that.
void ClipValuesOnTarget(float limit, int64_t count, float* gradient) {
  const FloatTag d;
  const auto high = hn::Set(d, limit);
  const auto low = hn::Set(d, -limit);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto g = lanes.Load(gradient + i);
    const auto above_low = hn::IfThenElse(hn::Lt(g, low), low, g);
    lanes.Store(hn::IfThenElse(hn::Gt(g, high), high, above_low), gradient + i);
  });
}

// In doubles: squares of floats neither overflow nor lose a digit.
double SumOfSquaresOnTarget(const float* x, int64_t count) {
  using DoubleTag = hn::ScalableTag<double>;
  constexpr int64_t kSums = 16;
  constexpr int64_t kLanes = hn::MaxLanes(DoubleTag());
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> d_float;
  hn::Vec<DoubleTag> sums[kSums / kLanes];
  for (auto& sum : sums) sum = hn::Zero(d);
  const auto add = [&](const float* from) HWY_ATTR {
    for (int64_t k = 0; k < kSums / kLanes; ++k) {
      const auto value = hn::PromoteTo(d, hn::LoadU(d_float, from + k * kLanes));
      sums[k] = hn::Add(sums[k], hn::Mul(value, value));
    }
  };
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) add(x + i);
  float rest[kSums] = {};
  for (int64_t j = 0; i + j < count; ++j) rest[j] = x[i + j];
  add(rest);
  double parts[kSums];
  for (int64_t k = 0; k < kSums / kLanes; ++k) hn::StoreU(sums[k], d, parts + k * kLanes);
  double total = 0.0;
  for (const double part : parts) total += part;
  return total;
}

// w -= learning_rate * (scale * gradient + decay * w).
void SubtractGradientOnTarget(float learning_rate, float scale, float decay, const float* gradient,
                              int64_t count, float* HWY_RESTRICT w) {
  const FloatTag d;
  const auto rate = hn::Set(d, learning_rate);
  const auto scale_vector = hn::Set(d, scale);
  const auto decay_vector = hn::Set(d, decay);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(w + i);
    const auto scaled = hn::Mul(scale_vector, lanes.Load(gradient + i));
    const auto direction = hn::Add(scaled, hn::Mul(decay_vector, x));
    lanes.Store(hn::Sub(x, hn::Mul(rate, direction)), w + i);
  });
}

// The same with a velocity.
void SubtractVelocityOnTarget(const SgdOptions& options, float scale, const float* gradient,
                              int64_t count, float* HWY_RESTRICT velocity, float* HWY_RESTRICT w) {
  const FloatTag d;
  const auto rate = hn::Set(d, options.learning_rate);
  const auto momentum = hn::Set(d, options.momentum);
  const auto scale_vector = hn::Set(d, scale);
  const auto decay = hn::Set(d, options.weight_decay);
  const auto of_direction = hn::Set(d, options.nesterov ? 1.0f : 0.0f);
  const auto of_velocity = hn::Set(d, options.nesterov ? options.momentum : 1.0f);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(w + i);
    const auto scaled = hn::Mul(scale_vector, lanes.Load(gradient + i));
    const auto direction = hn::Add(scaled, hn::Mul(decay, x));
    const auto v = hn::Add(hn::Mul(momentum, lanes.Load(velocity + i)), direction);
    lanes.Store(v, velocity + i);
    const auto step = hn::Add(hn::Mul(of_direction, direction), hn::Mul(of_velocity, v));
    lanes.Store(hn::Sub(x, hn::Mul(rate, step)), w + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {
namespace {

HWY_EXPORT(AddPenaltiesOnTarget);
HWY_EXPORT(ClipValuesOnTarget);
HWY_EXPORT(SumOfSquaresOnTarget);
HWY_EXPORT(SubtractGradientOnTarget);
HWY_EXPORT(SubtractVelocityOnTarget);

// PyTorch's.
constexpr double kClipNormEpsilon = 1e-6;

// out = keep * out + scale * (weight_decay * w + proximal_mu * (w - start)).
void AddPenalties(float keep, float scale, float weight_decay, float proximal_mu,
                  absl::Span<const float> start, const float* w, int64_t count, float* out) {
  if (weight_decay == 0.0f && proximal_mu == 0.0f) {
    if (keep != 1.0f) Multiply(keep, out, count, out);
    return;
  }
  HWY_DYNAMIC_DISPATCH(AddPenaltiesOnTarget)
  (keep, scale, weight_decay, proximal_mu, w, proximal_mu > 0.0f ? start.data() : w, count, out);
}

// What clip_norm multiplies the gradient by. Of one that is not finite, not a number.
float ClipNormScale(float clip_norm, absl::Span<const float> gradient) {
  if (clip_norm == 0.0f) return 1.0f;
  const double squares = HWY_DYNAMIC_DISPATCH(SumOfSquaresOnTarget)(
      gradient.data(), static_cast<int64_t>(gradient.size()));
  if (!std::isfinite(squares)) return std::nanf("");
  const double ratio = static_cast<double>(clip_norm) / (std::sqrt(squares) + kClipNormEpsilon);
  return ratio < 1.0 ? static_cast<float>(ratio) : 1.0f;
}

void CheckSizes(const SgdOptions& options, const SgdVectors& vectors, size_t size) {
  TERN_CHECK(!options.needs_velocity() || vectors.velocity.size() == size);
  TERN_CHECK(!options.needs_gradient() || vectors.gradient.size() == size);
  TERN_CHECK(!options.needs_start() || vectors.start.size() == size);
}

}  // namespace

void DecayVelocity(const SgdOptions& options, const SgdVectors& vectors,
                   absl::Span<const float> parameters) {
  CheckSizes(options, vectors, parameters.size());
  AddPenalties(options.momentum, 1.0f, options.weight_decay, options.proximal_mu, vectors.start,
               parameters.data(), static_cast<int64_t>(parameters.size()), vectors.velocity.data());
}

void ApplyVelocity(const SgdOptions& options, const SgdVectors& vectors,
                   absl::Span<float> parameters) {
  HWY_DYNAMIC_DISPATCH(SubtractGradientOnTarget)
  (options.learning_rate, 1.0f, 0.0f, vectors.velocity.data(),
   static_cast<int64_t>(parameters.size()), parameters.data());
}

// w' = w - rate / keep * g, then w' - rate * (decay * w' + mu * (w' - start)) is, with keep = 1 -
// rate * (decay + mu), what the update asks for: w - rate * (g + decay * w + mu * (w - start)).
float InPlaceScale(const SgdOptions& options) {
  const float keep = 1.0f - options.learning_rate * (options.weight_decay + options.proximal_mu);
  TERN_CHECK(keep > 0.0f);
  return -options.learning_rate / keep;
}

void ApplyPenalties(const SgdOptions& options, const SgdVectors& vectors,
                    absl::Span<float> parameters) {
  CheckSizes(options, vectors, parameters.size());
  AddPenalties(1.0f, -options.learning_rate, options.weight_decay, options.proximal_mu,
               vectors.start, parameters.data(), static_cast<int64_t>(parameters.size()),
               parameters.data());
}

void ApplyGradient(const SgdOptions& options, const SgdVectors& vectors,
                   absl::Span<float> parameters) {
  CheckSizes(options, vectors, parameters.size());
  const auto count = static_cast<int64_t>(parameters.size());
  float* gradient = vectors.gradient.data();
  AddPenalties(1.0f, 1.0f, 0.0f, options.proximal_mu, vectors.start, parameters.data(), count,
               gradient);
  if (options.clip_value > 0.0f) {
    HWY_DYNAMIC_DISPATCH(ClipValuesOnTarget)(options.clip_value, count, gradient);
  }
  const float scale = ClipNormScale(options.clip_norm, vectors.gradient);
  if (options.needs_velocity()) {
    HWY_DYNAMIC_DISPATCH(SubtractVelocityOnTarget)
    (options, scale, gradient, count, vectors.velocity.data(), parameters.data());
  } else {
    HWY_DYNAMIC_DISPATCH(SubtractGradientOnTarget)
    (options.learning_rate, scale, options.weight_decay, gradient, count, parameters.data());
  }
}

}  // namespace tern
#endif  // HWY_ONCE
