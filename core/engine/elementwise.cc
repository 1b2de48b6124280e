#include "core/engine/elementwise.h"

#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/elementwise.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "core/engine/vector_bits-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

void FillOnTarget(float value, int64_t count, float* HWY_RESTRICT out) {
  const FloatTag d;
  const auto vector = hn::Set(d, value);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR { lanes.Store(vector, out + i); });
}

void ReluOnTarget(const float* in, int64_t count, float* out) {
  const auto zero = hn::Zero(FloatTag());
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(in + i);
    lanes.Store(hn::IfThenZeroElse(hn::Lt(x, zero), x), out + i);
  });
}

template <class D>
HWY_INLINE hn::Mask<D> IsReluActive(D d, hn::Vec<D> output) {
  return hn::Gt(output, hn::Zero(d));
}

template <class D>
HWY_INLINE hn::Mask<D> IsRelu6Active(D d, hn::Vec<D> output) {
  return hn::And(hn::Gt(output, hn::Zero(d)), hn::Lt(output, hn::Set(d, 6.0f)));
}

void ReluGradientOnTarget(const float* output, int64_t count, float* HWY_RESTRICT gradient) {
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto active = IsReluActive(FloatTag(), lanes.Load(output + i));
    lanes.Store(hn::IfThenElseZero(active, lanes.Load(gradient + i)), gradient + i);
  });
}

void ReluActiveOnTarget(const float* output, int64_t count, uint8_t* HWY_RESTRICT active) {
  ForEachShorterVector(FloatTag(), 0, count, [&](auto d, int64_t i, int64_t n) HWY_ATTR {
    StoreBits(IsReluActive(d, Lanes<decltype(d)>{n}.Load(output + i)), d, i, active);
  });
}

void Relu6ActiveOnTarget(const float* output, int64_t count, uint8_t* HWY_RESTRICT active) {
  ForEachShorterVector(FloatTag(), 0, count, [&](auto d, int64_t i, int64_t n) HWY_ATTR {
    StoreBits(IsRelu6Active(d, Lanes<decltype(d)>{n}.Load(output + i)), d, i, active);
  });
}

void KeepActiveOnTarget(const uint8_t* active, int64_t count, float* HWY_RESTRICT gradient) {
  ForEachShorterVector(FloatTag(), 0, count, [&](auto d, int64_t i, int64_t n) HWY_ATTR {
    const Lanes<decltype(d)> lanes{n};
    const auto kept = hn::IfThenElseZero(LoadBits(d, i, active), lanes.Load(gradient + i));
    lanes.Store(kept, gradient + i);
  });
}

void Relu6OnTarget(const float* in, int64_t count, float* out) {
  const auto zero = hn::Zero(FloatTag());
  const auto six = hn::Set(FloatTag(), 6.0f);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto x = lanes.Load(in + i);
    const auto above = hn::IfThenZeroElse(hn::Lt(x, zero), x);
    lanes.Store(hn::IfThenElse(hn::Gt(above, six), six, above), out + i);
  });
}

void Relu6GradientOnTarget(const float* output, int64_t count, float* HWY_RESTRICT gradient) {
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    const auto active = IsRelu6Active(FloatTag(), lanes.Load(output + i));
    lanes.Store(hn::IfThenElseZero(active, lanes.Load(gradient + i)), gradient + i);
  });
}

void MultiplyOnTarget(float factor, const float* in, int64_t count, float* out) {
  const auto vector = hn::Set(FloatTag(), factor);
  ForEachVector(count, [&](int64_t i, auto lanes)
                           HWY_ATTR { lanes.Store(hn::Mul(vector, lanes.Load(in + i)), out + i); });
}

void AddScaledOnTarget(float scale, const float* x, int64_t count, float* HWY_RESTRICT y) {
  const auto factor = hn::Set(FloatTag(), scale);
  ForEachVector(count, [&](int64_t i, auto lanes) HWY_ATTR {
    lanes.Store(hn::MulAdd(factor, lanes.Load(x + i), lanes.Load(y + i)), y + i);
  });
}

float SumOnTarget(const float* x, int64_t count) {
  const FloatTag d;
  auto sum = hn::Zero(d);
  ForEachVector(count,
                [&](int64_t i, auto lanes) HWY_ATTR { sum = hn::Add(sum, lanes.Load(x + i)); });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

bool AllFiniteOnTarget(const float* x, int64_t count) {
  const FloatTag d;
  const auto zero = hn::Zero(d);
  // Zero times anything finite is zero, else not a number, and that stays in a sum.
  auto sum = zero;
  ForEachVector(count, [&](int64_t i, auto lanes)
                           HWY_ATTR { sum = hn::MulAdd(lanes.Load(x + i), zero, sum); });
  return hn::AllTrue(d, hn::Eq(sum, zero));
}

void ColumnSumsOnTarget(const float* x, int64_t rows, int64_t columns, float scale, bool accumulate,
                        float* HWY_RESTRICT sums) {
  const FloatTag d;
  const auto factor = hn::Set(d, scale);
  ForEachVector(columns, [&](int64_t j, auto lanes) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (int64_t i = 0; i < rows; ++i) sum = hn::Add(sum, lanes.Load(x + i * columns + j));
    const auto before = accumulate ? lanes.Load(sums + j) : hn::Zero(d);
    lanes.Store(hn::MulAdd(factor, sum, before), sums + j);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(FillOnTarget);
HWY_EXPORT(ReluOnTarget);
HWY_EXPORT(ReluGradientOnTarget);
HWY_EXPORT(Relu6OnTarget);
HWY_EXPORT(Relu6GradientOnTarget);
HWY_EXPORT(ReluActiveOnTarget);
HWY_EXPORT(Relu6ActiveOnTarget);
HWY_EXPORT(KeepActiveOnTarget);
HWY_EXPORT(MultiplyOnTarget);
HWY_EXPORT(AddScaledOnTarget);
HWY_EXPORT(SumOnTarget);
HWY_EXPORT(AllFiniteOnTarget);
HWY_EXPORT(ColumnSumsOnTarget);

void Fill(float value, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(FillOnTarget)(value, count, out);
}

void Relu(const float* in, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(ReluOnTarget)(in, count, out);
}

void ReluGradient(const float* output, int64_t count, float* gradient) {
  HWY_DYNAMIC_DISPATCH(ReluGradientOnTarget)(output, count, gradient);
}

void Relu6(const float* in, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(Relu6OnTarget)(in, count, out);
}

void Relu6Gradient(const float* output, int64_t count, float* gradient) {
  HWY_DYNAMIC_DISPATCH(Relu6GradientOnTarget)(output, count, gradient);
}

void ReluActive(const float* output, int64_t count, uint8_t* active) {
  HWY_DYNAMIC_DISPATCH(ReluActiveOnTarget)(output, count, active);
}

void Relu6Active(const float* output, int64_t count, uint8_t* active) {
  HWY_DYNAMIC_DISPATCH(Relu6ActiveOnTarget)(output, count, active);
}

void KeepActive(const uint8_t* active, int64_t count, float* gradient) {
  HWY_DYNAMIC_DISPATCH(KeepActiveOnTarget)(active, count, gradient);
}

void Multiply(float factor, const float* in, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(MultiplyOnTarget)(factor, in, count, out);
}

void AddScaled(float scale, const float* x, int64_t count, float* y) {
  HWY_DYNAMIC_DISPATCH(AddScaledOnTarget)(scale, x, count, y);
}

float Sum(const float* x, int64_t count) { return HWY_DYNAMIC_DISPATCH(SumOnTarget)(x, count); }

bool AllFinite(const float* x, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteOnTarget)(x, count);
}

void ColumnSums(const float* x, int64_t rows, int64_t columns, float scale, bool accumulate,
                float* sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSumsOnTarget)(x, rows, columns, scale, accumulate, sums);
}

}  // namespace tern
#endif  // HWY_ONCE
