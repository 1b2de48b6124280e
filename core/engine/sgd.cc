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

// out = keep * out + scale * (decay * w + mu * (w - start) + control). `out` may be w, `start` as
// well; without control it is null.
void AddPenaltiesOnTarget(float keep, float scale, float decay, float mu, const float* w,
                          const float* start, const float* control, int64_t count, float* out) {
  const FloatTag d;
  const auto keep_vector = hn::Set(d, keep);
  const auto scale_vector = hn::Set(d, scale);
  const auto decay_vector = hn::Set(d, scale * decay);
  const auto mu_vector = hn::Set(d, scale * mu);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(w + i);
    const auto decayed = hn::Mul(decay_vector, x);
    const auto pulled = hn::Mul(mu_vector, hn::Sub(x, lanes.Load(start + i)));
    const auto kept = hn::Mul(keep_vector, lanes.Load(out + i));
    auto sum = hn::Add(kept, hn::Add(decayed, pulled));
    if (control != nullptr) {
      sum = hn::Add(sum, hn::Mul(scale_vector, lanes.Load(control + i)));
    }
    lanes.Store(sum, out + i);
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

// values[i] = 0 where bit first_bit + i is 0.
void KeepMasked(absl::Span<const uint8_t> bits, int64_t first_bit, int64_t count, float* values) {
  // As far as bits and values begin in the middle of a byte.
  int64_t i = 0;
  for (; i < count && (first_bit + i) % 8 != 0; ++i) {
    const int64_t bit = first_bit + i;
    if ((bits[static_cast<size_t>(bit / 8)] >> (bit % 8) & 1) == 0) values[i] = 0.0f;
  }
  if (i < count) KeepActive(bits.data() + (first_bit + i) / 8, count - i, values + i);
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

}  // namespace

SgdUpdate::SgdUpdate(const SgdOptions& options, const SgdVectors& vectors,
                     const TrainedParameters& trained, absl::Span<float> parameters)
    : options_(options), vectors_(vectors), trained_(trained), parameters_(parameters) {
  const auto size = static_cast<size_t>(trained.size);
  TERN_CHECK(!options.needs_velocity() || vectors.velocity.size() == size);
  TERN_CHECK(!options.needs_gradient() || vectors.gradient.size() == size);
  TERN_CHECK(!options.needs_start() || vectors.start.size() == size);
  TERN_CHECK(vectors.control.empty() || vectors.control.size() == size);
  TERN_CHECK(vectors.mask.empty() || vectors.mask.size() == (size + 7) / 8);
}

bool SgdUpdate::has_penalties() const {
  return options_.weight_decay > 0.0f || options_.proximal_mu > 0.0f || !vectors_.control.empty();
}

void SgdUpdate::AddPenalties(const TrainedRange& range, float keep, float scale, float decay,
                             float* out) const {
  const float* w = parameters_.data() + range.begin;
  const float* start = options_.needs_start() ? vectors_.start.data() + range.offset : w;
  const float* control =
      vectors_.control.empty() ? nullptr : vectors_.control.data() + range.offset;
  HWY_DYNAMIC_DISPATCH(AddPenaltiesOnTarget)
  (keep, scale, decay, options_.proximal_mu, w, start, control, range.size, out);
}

void SgdUpdate::MaskParameters() const {
  if (vectors_.mask.empty()) return;
  for (const TrainedRange& range : trained_.ranges) {
    KeepMasked(vectors_.mask, range.offset, range.size, parameters_.data() + range.begin);
  }
}

void SgdUpdate::DecayVelocity() const {
  float* velocity = vectors_.velocity.data();
  if (!has_penalties()) return Multiply(options_.momentum, velocity, trained_.size, velocity);
  for (const TrainedRange& range : trained_.ranges) {
    AddPenalties(range, options_.momentum, 1.0f, options_.weight_decay, velocity + range.offset);
  }
}

void SgdUpdate::ApplyVelocity() const {
  for (const TrainedRange& range : trained_.ranges) {
    HWY_DYNAMIC_DISPATCH(SubtractGradientOnTarget)
    (options_.learning_rate, 1.0f, 0.0f, vectors_.velocity.data() + range.offset, range.size,
     parameters_.data() + range.begin);
  }
  MaskParameters();
}

// w' = w - rate / keep * g, then w' - rate * (decay * w' + mu * (w' - start) + control) is, with
// keep = 1 - rate * (decay + mu), what the update asks for:
// w - rate * (g + decay * w + mu * (w - start) + control).
float SgdUpdate::InPlaceScale() const {
  const float keep = 1.0f - options_.learning_rate * (options_.weight_decay + options_.proximal_mu);
  TERN_CHECK(keep > 0.0f);
  return -options_.learning_rate / keep;
}

void SgdUpdate::ApplyPenalties() const {
  if (has_penalties()) {
    for (const TrainedRange& range : trained_.ranges) {
      AddPenalties(range, 1.0f, -options_.learning_rate, options_.weight_decay,
                   parameters_.data() + range.begin);
    }
  }
  MaskParameters();
}

void SgdUpdate::ApplyGradient() const {
  float* gradient = vectors_.gradient.data();
  const bool is_pulled = options_.needs_start() || !vectors_.control.empty();
  for (const TrainedRange& range : trained_.ranges) {
    if (is_pulled) AddPenalties(range, 1.0f, 1.0f, 0.0f, gradient + range.offset);
  }
  if (options_.clip_value > 0.0f) {
    HWY_DYNAMIC_DISPATCH(ClipValuesOnTarget)(options_.clip_value, trained_.size, gradient);
  }
  if (!vectors_.mask.empty()) KeepMasked(vectors_.mask, 0, trained_.size, gradient);
  const float scale = ClipNormScale(options_.clip_norm, vectors_.gradient);
  for (const TrainedRange& range : trained_.ranges) {
    float* w = parameters_.data() + range.begin;
    if (options_.needs_velocity()) {
      HWY_DYNAMIC_DISPATCH(SubtractVelocityOnTarget)
      (options_, scale, gradient + range.offset, range.size,
       vectors_.velocity.data() + range.offset, w);
    } else {
      HWY_DYNAMIC_DISPATCH(SubtractGradientOnTarget)
      (options_.learning_rate, scale, options_.weight_decay, gradient + range.offset, range.size,
       w);
    }
  }
  MaskParameters();
}

}  // namespace tern
#endif  // HWY_ONCE
