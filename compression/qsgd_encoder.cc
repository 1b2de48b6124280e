#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"
#include "compression/magnitude.h"
#include "compression/qsgd.h"
#include "compression/stochastic_rounding.h"

namespace tern::compression {
namespace {

// The next float that is not below `norm`, which is at most kLargestFinite.
float RoundUp(double norm) {
  if (norm == 0.0) return 0.0f;
  auto rounded = static_cast<float>(norm);
  if (double{rounded} < norm) {
    rounded = std::bit_cast<float>(std::bit_cast<int32_t>(rounded) + 1);
  }
  return std::max(rounded, std::numeric_limits<float>::min());
}

class QsgdQuantizer final : public Quantizer {
 public:
  explicit QsgdQuantizer(const QsgdOptions& options) : options_(options) {}

  QuantizerShape shape() const override { return options_.Shape(); }

  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& /*key*/,
                        RandomStream& random, char* parameters, uint8_t* symbols) const override {
    const absl::Span<const float> values(block.values, static_cast<size_t>(block.count));
    const double exact_norm = std::sqrt(SumOfSquares(values));
    if (exact_norm > double{kLargestFinite}) {
      return absl::InvalidArgumentError(
          absl::StrFormat("bucket %d (from value %d): norm is %.9g, expected at most %.9g",
                          block.first / options_.bucket, block.first, exact_norm, kLargestFinite));
    }
    const float norm = RoundUp(exact_norm);
    std::memcpy(parameters, &norm, sizeof(norm));
    const auto levels = static_cast<float>(options_.levels);
    const SymbolAxis axis = {.inverse = norm == 0.0f ? 0.0f : 1.0f / norm,
                             .steps = levels,
                             .zero = levels,
                             .largest = 2 * options_.levels};
    int64_t start = 0;
    for (; block.count - start >= kBlock; start += kBlock) {
      RoundStochastically(block.values + start, axis, random, symbols + start);
    }
    if (start == block.count) return absl::OkStatus();
    std::array<float, kBlock> last{};
    std::array<uint8_t, kBlock> last_symbols;
    std::copy(block.values + start, block.values + block.count, last.begin());
    RoundStochastically(last.data(), axis, random, last_symbols.data());
    std::memcpy(symbols + start, last_symbols.data(), static_cast<size_t>(block.count - start));
    return absl::OkStatus();
  }

 private:
  const QsgdOptions options_;
};

}  // namespace

std::unique_ptr<Quantizer> MakeQsgdQuantizer(const StageSpec& stage) {
  return std::make_unique<QsgdQuantizer>(QsgdOptions(stage));
}

}  // namespace tern::compression
