#include "core/engine/exp_log.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/engine/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/engine/exp_log.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes first.
#include "core/engine/simd-inl.h"
#include "hwy/highway.h"

#ifndef TERN_CORE_ENGINE_EXP_LOG_ONCE_
#define TERN_CORE_ENGINE_EXP_LOG_ONCE_
namespace tern {
namespace {

constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
// ln 2 in two parts; the high one times a number of 11 bits is exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kSmallest = -708.0;
constexpr int kMantissaBits = 52;
constexpr int64_t kMantissaMask = (int64_t{1} << kMantissaBits) - 1;
constexpr int64_t kExponentBias = 1023;
constexpr double kSqrt2 = 0x1.6a09e667f3bcdp+0;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// 1 / degree!, and 1 / (2 term + 3).
constexpr std::array<double, 14> kExpSeries = [] {
  std::array<double, 14> series = {1.0};
  double factorial = 1.0;
  for (size_t degree = 1; degree < series.size(); ++degree) {
    factorial *= static_cast<double>(degree);
    series[degree] = 1.0 / factorial;
  }
  return series;
}();
constexpr std::array<double, 10> kArtanhSeries = [] {
  std::array<double, 10> series = {};
  for (size_t term = 0; term < series.size(); ++term) {
    series[term] = 1.0 / static_cast<double>(2 * term + 3);
  }
  return series;
}();

}  // namespace
}  // namespace tern
#endif  // TERN_CORE_ENGINE_EXP_LOG_ONCE_

HWY_BEFORE_NAMESPACE();
namespace tern {
namespace HWY_NAMESPACE {

// The steps of Exp, each as a vector's; products and sums are not fused.
template <class D>
HWY_INLINE hn::Vec<D> ExpOfVector(D d, hn::Vec<D> x) {
  const auto half = hn::CopySign(hn::Set(d, 0.5), x);
  const auto n = hn::Trunc(hn::Add(hn::Mul(x, hn::Set(d, kInverseLn2)), half));
  const auto r =
      hn::Sub(hn::Sub(x, hn::Mul(n, hn::Set(d, kLn2High))), hn::Mul(n, hn::Set(d, kLn2Low)));
  auto sum = hn::Zero(d);
  for (size_t degree = kExpSeries.size(); degree-- > 0;) {
    sum = hn::Add(hn::Mul(sum, r), hn::Set(d, kExpSeries[degree]));
  }
  // A small whole number plus 2^52 has that number in its lowest bits.
  const auto biased = hn::Add(n, hn::Set(d, 0x1p52 + static_cast<double>(kExponentBias)));
  const hn::RebindToUnsigned<D> bits;
  const auto power = hn::BitCast(d, hn::ShiftLeft<kMantissaBits>(hn::BitCast(bits, biased)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, kSmallest)), hn::Mul(sum, power));
}

// The steps of Log.
template <class D>
HWY_INLINE hn::Vec<D> LogOfVector(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> unsigned_d;
  const hn::RebindToSigned<D> signed_d;
  const auto one = hn::Set(d, 1.0);
  // The bits of a small whole number in the lowest bits of 2^52 are that number plus 2^52.
  const auto exponent =
      hn::Or(hn::BitCast(d, hn::ShiftRight<kMantissaBits>(hn::BitCast(unsigned_d, x))),
             hn::Set(d, 0x1p52));
  const auto floor_n = hn::Sub(exponent, hn::Set(d, 0x1p52 + static_cast<double>(kExponentBias)));
  const auto mantissa = hn::Or(hn::And(x, hn::BitCast(d, hn::Set(signed_d, kMantissaMask))), one);
  const auto above = hn::Gt(mantissa, hn::Set(d, kSqrt2));
  const auto m = hn::IfThenElse(above, hn::Mul(mantissa, hn::Set(d, 0.5)), mantissa);
  const auto n = hn::IfThenElse(above, hn::Add(floor_n, one), floor_n);
  const auto s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const auto square = hn::Mul(s, s);
  auto sum = hn::Zero(d);
  for (size_t term = kArtanhSeries.size(); term-- > 0;) {
    sum = hn::Mul(hn::Add(sum, hn::Set(d, kArtanhSeries[term])), square);
  }
  const auto twice = hn::Add(s, s);
  const auto log_m = hn::Add(twice, hn::Mul(twice, sum));
  const auto log =
      hn::Add(hn::Mul(n, hn::Set(d, kLn2High)), hn::Add(hn::Mul(n, hn::Set(d, kLn2Low)), log_m));
  const auto defined = hn::And(hn::Gt(x, hn::Zero(d)), hn::Lt(x, hn::Set(d, kInfinity)));
  return hn::IfThenElse(defined, log, hn::Set(d, kNan));
}

// tanh(x) = 1 - 2 / (exp(2x) + 1), whose error is below 1e-15 absolutely: single precision needs
// no more from 2^-16, below which tanh(x) is within 1e-10 of x, relatively.
template <class D>
HWY_INLINE hn::Vec<D> TanhOfVector(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0);
  const auto limit = hn::Set(d, 10.0);
  const auto magnitude = hn::Abs(x);
  const auto limited = hn::IfThenElse(hn::Gt(magnitude, limit), limit, magnitude);
  const auto exponential = ExpOfVector(d, hn::Add(limited, limited));
  const auto tanh = hn::Sub(one, hn::Div(hn::Set(d, 2.0), hn::Add(exponential, one)));
  const auto is_small = hn::Lt(magnitude, hn::Set(d, 0x1p-16));
  return hn::CopySign(hn::IfThenElse(is_small, magnitude, tanh), x);
}

using DoubleTag = hn::ScalableTag<double>;
constexpr int64_t kDoubles = hn::MaxLanes(DoubleTag());

// The first `count` lanes only: reads and writes nothing beyond.
HWY_INLINE hn::Vec<DoubleTag> LoadDoubles(const double* from, int64_t count) {
  HWY_ALIGN double lanes[kDoubles] = {};
  for (int64_t lane = 0; lane < count; ++lane) lanes[lane] = from[lane];
  return hn::Load(DoubleTag(), lanes);
}
HWY_INLINE void StoreDoubles(hn::Vec<DoubleTag> value, int64_t count, double* to) {
  HWY_ALIGN double lanes[kDoubles];
  hn::Store(value, DoubleTag(), lanes);
  for (int64_t lane = 0; lane < count; ++lane) to[lane] = lanes[lane];
}

void ExpEachOnTarget(const float* x, double maximum, int64_t count, double* out) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> floats;
  const auto maximum_vector = hn::Set(d, maximum);
  const auto exp = [&](auto value) HWY_ATTR {
    return ExpOfVector(d, hn::Sub(hn::PromoteTo(d, value), maximum_vector));
  };
  int64_t i = 0;
  for (; i + kDoubles <= count; i += kDoubles) {
    hn::StoreU(exp(hn::LoadU(floats, x + i)), d, out + i);
  }
  if (i == count) return;
  StoreDoubles(exp(LoadLanes(floats, x + i, count - i)), count - i, out + i);
}

void LogEachOnTarget(const double* x, int64_t count, double* out) {
  const DoubleTag d;
  int64_t i = 0;
  for (; i + kDoubles <= count; i += kDoubles) {
    hn::StoreU(LogOfVector(d, hn::LoadU(d, x + i)), d, out + i);
  }
  if (i == count) return;
  StoreDoubles(LogOfVector(d, LoadDoubles(x + i, count - i)), count - i, out + i);
}

void TanhEachOnTarget(const float* x, int64_t count, float* out) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> floats;
  const auto tanh = [&](auto value) HWY_ATTR {
    return hn::DemoteTo(floats, TanhOfVector(d, hn::PromoteTo(d, value)));
  };
  int64_t i = 0;
  for (; i + kDoubles <= count; i += kDoubles) {
    hn::StoreU(tanh(hn::LoadU(floats, x + i)), floats, out + i);
  }
  if (i == count) return;
  StoreLanes(tanh(LoadLanes(floats, x + i, count - i)), floats, out + i, count - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tern
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tern {

HWY_EXPORT(ExpEachOnTarget);
HWY_EXPORT(LogEachOnTarget);
HWY_EXPORT(TanhEachOnTarget);

void ExpEach(const float* x, double maximum, int64_t count, double* out) {
  HWY_DYNAMIC_DISPATCH(ExpEachOnTarget)(x, maximum, count, out);
}

void LogEach(const double* x, int64_t count, double* out) {
  HWY_DYNAMIC_DISPATCH(LogEachOnTarget)(x, count, out);
}

void TanhEach(const float* x, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(TanhEachOnTarget)(x, count, out);
}

namespace {

double PowerOfTwo(int64_t exponent) {
  return std::bit_cast<double>((exponent + kExponentBias) << kMantissaBits);
}

}  // namespace

// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2; the Taylor series of exp(r) to degree 13 has a
// remainder below 5e-18.
double Exp(double x) {
  if (!(x >= kSmallest)) return x < kSmallest ? 0.0 : kNan;
  if (x > 709.0) return kInfinity;
  const auto n = static_cast<int64_t>(x * kInverseLn2 + (x < 0 ? -0.5 : 0.5));
  const double r = (x - static_cast<double>(n) * kLn2High) - static_cast<double>(n) * kLn2Low;
  double sum = 0.0;
  for (size_t degree = kExpSeries.size(); degree-- > 0;) sum = sum * r + kExpSeries[degree];
  return sum * PowerOfTwo(n);
}

// x = 2^n m with m in [sqrt(1/2), sqrt(2)); log(m) = 2 artanh(s), s = (m - 1) / (m + 1), whose
// series to s^21 has a remainder below 1e-18.
double Log(double x) {
  if (!(x > 0.0 && x < kInfinity)) return kNan;
  const auto bits = std::bit_cast<int64_t>(x);
  int64_t n = (bits >> kMantissaBits) - kExponentBias;
  double m = std::bit_cast<double>((bits & kMantissaMask) | (kExponentBias << kMantissaBits));
  if (m > kSqrt2) {
    m *= 0.5;
    ++n;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double square = s * s;
  double sum = 0.0;
  for (size_t term = kArtanhSeries.size(); term-- > 0;) sum = (sum + kArtanhSeries[term]) * square;
  const double log_m = 2.0 * s + 2.0 * s * sum;
  return static_cast<double>(n) * kLn2High + (static_cast<double>(n) * kLn2Low + log_m);
}

}  // namespace tern
#endif  // HWY_ONCE
