#include "aggregation/squared_norm.h"

#include <array>
#include <cstdint>

#include "compression/codec.h"
#include "core/base/simd_clones.h"

namespace tern::aggregation {
namespace {

// Value i of a call is added to sum i mod kLanes: what vector instructions do, written down, so
// that their width makes no difference.
constexpr int64_t kLanes = 16;
using Lanes = std::array<double, kLanes>;

TERN_SIMD_CLONES void AddSquares(const float* __restrict values, int64_t count,
                                 double* __restrict lanes) {
  const int64_t whole = count - count % kLanes;
  double sums[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] = lanes[lane];
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      sums[lane] += value * value;
    }
  }
  for (int64_t i = whole; i < count; ++i) {
    const auto value = static_cast<double>(values[i]);
    sums[i - whole] += value * value;
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = sums[lane];
}

void AddSquares(absl::Span<const float> values, Lanes& lanes) {
  AddSquares(values.data(), static_cast<int64_t>(values.size()), lanes.data());
}

double Total(const Lanes& lanes) {
  double total = 0.0;
  for (const double sum : lanes) total += sum;
  return total;
}

class NormSink final : public compression::UpdateSink {
 public:
  bool TakesRotated() const override { return true; }
  void AddRotated(const compression::Rotation& /*rotation*/, int64_t /*offset*/,
                  absl::Span<const float> values) override {
    AddSquares(values, lanes_);
  }
  void Add(int64_t /*offset*/, absl::Span<const float> values) override {
    AddSquares(values, lanes_);
  }
  void AddSparse(absl::Span<const int32_t> /*indices*/, absl::Span<const float> values) override {
    AddSquares(values, lanes_);
  }
  double SquaredNorm() const { return Total(lanes_); }

 private:
  Lanes lanes_{};
};

}  // namespace

double SquaredNorm(absl::Span<const float> values) {
  Lanes lanes{};
  AddSquares(values, lanes);
  return Total(lanes);
}

double SquaredNorm(const EncodedUpdate& update) {
  NormSink sink;
  update.decoder.DecodeInto(update.payload, update.context, sink);
  return sink.SquaredNorm();
}

}  // namespace tern::aggregation
