#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "compression/eden.h"
#include "compression/magnitude.h"
#include "compression/random_subset.h"
#include "core/base/simd_clones.h"

namespace tern::compression {
namespace {

constexpr float kSmallestSigma = 0x1p-100f;
// Between 2^23 and 2^24 floats are the integers. Adding 1.5 * 2^23 rounds to the nearest integer,
// ties to even, and adds it to the constant's own pattern.
constexpr float kRoundToInteger = 12582912.0f;

// As in SumOfSquares: number i counts to lane i mod 16.
constexpr int64_t kLanes = 16;
using Lanes = std::array<double, kLanes>;

TERN_SIMD_CLONES void AddProducts(const float* __restrict a, const float* __restrict b,
                                  double* __restrict lanes) {
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += double{a[i + lane]} * double{b[i + lane]};
    }
  }
}

double Total(const Lanes& lanes) { return std::accumulate(lanes.begin(), lanes.end(), 0.0); }

// What becomes of kBlock numbers.
struct Cells {
  alignas(64) std::array<uint8_t, kBlock> symbols;
  alignas(64) std::array<float, kBlock> centroids;
};

// Lloyd-Max cells: the `half` of them above 0, of which the thresholds but 0 are `thresholds`. In
// integers, as which floats of one sign order as they do, and without branches.
TERN_SIMD_CLONES void ChooseByMagnitude(const float* __restrict values,
                                        const float* __restrict thresholds,
                                        const float* __restrict above_zero, int32_t half,
                                        Cells& cells) {
  alignas(64) int32_t levels[kBlock];
  alignas(64) int32_t centroids[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) {
    levels[i] = half;
    centroids[i] = std::bit_cast<int32_t>(above_zero[0]);
  }
  for (int32_t t = 0; t + 1 < half; ++t) {
    const auto threshold = std::bit_cast<int32_t>(thresholds[t]);
    const int32_t flip =
        std::bit_cast<int32_t>(above_zero[t]) ^ std::bit_cast<int32_t>(above_zero[t + 1]);
    for (int64_t i = 0; i < kBlock; ++i) {
      const int32_t above = -static_cast<int32_t>(MagnitudeBits(values[i]) > threshold);
      levels[i] -= above;
      centroids[i] ^= above & flip;
    }
  }
  for (int64_t i = 0; i < kBlock; ++i) {
    const int32_t negative = std::bit_cast<int32_t>(values[i]) >> 31;
    cells.centroids[static_cast<size_t>(i)] =
        std::bit_cast<float>(centroids[i] ^ (negative & INT32_MIN));
    cells.symbols[static_cast<size_t>(i)] =
        static_cast<uint8_t>((levels[i] ^ negative) + (negative & 2 * half));
  }
}

// Cells of equal width, `outermost` on each side of the one around 0.
TERN_SIMD_CLONES void ChooseByRounding(const float* __restrict values, float steps_per_unit,
                                       int32_t outermost, uint8_t* __restrict symbols) {
  const auto zero = std::bit_cast<int32_t>(kRoundToInteger);
  for (int64_t i = 0; i < kBlock; ++i) {
    const int32_t cell =
        std::bit_cast<int32_t>(values[i] * steps_per_unit + kRoundToInteger) - zero;
    symbols[i] = static_cast<uint8_t>(std::min(std::max(cell, -outermost), outermost) + outermost);
  }
}

// The numbers of a block that get symbols: all, or those of a subset.
struct Numbers {
  absl::Span<const float> values;
  int64_t size;                        // how many there are
  const SubsetBitmap* kept = nullptr;  // null: all
};

// Hands each kBlock of them to `f(numbers, start, count)`, zeros behind the last.
template <typename F>
void ForEachChunk(const Numbers& numbers, F f) {
  const float* const values = numbers.values.data();
  int64_t done = 0;
  if (numbers.kept == nullptr) {
    for (; numbers.size - done >= kBlock; done += kBlock) f(values + done, done, kBlock);
  }
  std::array<float, kBlock> chunk{};
  int64_t filled = 0;
  for (int64_t i = done; i < static_cast<int64_t>(numbers.values.size()); ++i) {
    if (numbers.kept != nullptr && !IsInSubset(*numbers.kept, i)) continue;
    chunk[static_cast<size_t>(filled++)] = values[i];
    if (filled < kBlock) continue;
    f(chunk.data(), done, kBlock);
    done += kBlock;
    filled = 0;
    chunk.fill(0.0f);
  }
  if (filled > 0) f(chunk.data(), done, filled);
}

class NormalQuantizer final : public Quantizer {
 public:
  explicit NormalQuantizer(const NormalCode& code) : code_(code), centroids_(Centroids(code)) {}

  QuantizerShape shape() const override { return code_.shape; }

  absl::Status Quantize(const ValueBlock& block, const char* /*header*/, const RandomKey& key,
                        RandomStream& random, char* parameters, uint8_t* symbols) const override {
    Numbers numbers{.values = {block.values, static_cast<size_t>(block.count)},
                    .size = code_.shape.Symbols(block.count)};
    SubsetBitmap kept;
    if (numbers.size < block.count) {
      DrawSubsetBitmap(key, block.first / kMaxBlock, block.count, numbers.size, kept);
      numbers.kept = &kept;
    }
    const double weight = static_cast<double>(block.count) / static_cast<double>(numbers.size);
    const float scale = Choose(numbers, weight, symbols);
    // Neither subnormal nor near the largest float: sigma is at least 2^-100 and at most 2^106.
    const ScaleBits sent =
        code_.unbiased ? RoundScaleAtRandom(scale, random.Next64()) : RoundScaleToEven(scale);
    std::memcpy(parameters, &sent, sizeof(sent));
    return absl::OkStatus();
  }

  bool Probabilities(absl::Span<double> of) const override {
    FillProbabilities(code_, of);
    return true;
  }

 private:
  // Writes the symbols and returns the scale. Each number stands for `weight`.
  float Choose(const Numbers& numbers, double weight, uint8_t* symbols) const {
    Lanes products{};
    ForEachChunk(numbers, [&](const float* chunk, int64_t, int64_t) {
      AddProducts(chunk, chunk, products.data());
    });
    const double norm = Total(products);
    const auto sigma = static_cast<float>(std::sqrt(norm / static_cast<double>(numbers.size)));
    if (!(sigma >= kSmallestSigma)) {
      std::fill_n(symbols, numbers.size, static_cast<uint8_t>(code_.book.alphabet / 2));
      return 0.0f;
    }
    products.fill(0.0);
    Lanes squares{};
    Cells cells;
    const Choice choice(code_.book, sigma);
    ForEachChunk(numbers, [&](const float* chunk, int64_t start, int64_t count) {
      ChooseCells(chunk, choice, cells);
      std::fill(cells.centroids.begin() + count, cells.centroids.end(), 0.0f);
      AddProducts(cells.centroids.data(), chunk, products.data());
      if (!code_.unbiased) {
        AddProducts(cells.centroids.data(), cells.centroids.data(), squares.data());
      }
      std::copy_n(cells.symbols.begin(), count, symbols + start);
    });
    const double product = Total(products);
    if (product == 0.0) return ChooseLargest(numbers, norm, weight, symbols);
    return static_cast<float>(code_.unbiased ? norm / product * weight : product / Total(squares));
  }

  // Where all symbols stand for 0: the number of largest magnitude gets one that does not.
  float ChooseLargest(const Numbers& numbers, double norm, double weight, uint8_t* symbols) const {
    int64_t at = 0;
    float largest = 0.0f;
    ForEachChunk(numbers, [&](const float* chunk, int64_t start, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        if (std::abs(chunk[i]) <= std::abs(largest)) continue;
        at = start + i;
        largest = chunk[i];
      }
    });
    const int zero = code_.book.alphabet / 2;
    symbols[at] = static_cast<uint8_t>(largest < 0.0f ? zero - 1 : zero + 1);
    const double centroid = centroids_[symbols[at]];
    const double product = centroid * double{largest};
    return static_cast<float>(code_.unbiased ? norm / product * weight
                                             : product / (centroid * centroid));
  }

  // The codebook in units of the block.
  struct Choice {
    Choice(const NormalCodebook& book, float sigma) {
      if (book.step > 0.0) {
        steps_per_unit = static_cast<float>(1.0 / (static_cast<double>(sigma) * book.step));
        return;
      }
      const auto half = static_cast<size_t>(book.alphabet / 2);
      for (size_t i = 0; i + 1 < half; ++i) {
        thresholds[i] = static_cast<float>(book.thresholds[half + i] * static_cast<double>(sigma));
      }
    }
    float steps_per_unit = 0.0f;
    std::array<float, 7> thresholds{};
  };

  void ChooseCells(const float* chunk, const Choice& choice, Cells& cells) const {
    const int half = code_.book.alphabet / 2;
    if (choice.steps_per_unit == 0.0f) {
      ChooseByMagnitude(chunk, choice.thresholds.data(), centroids_.data() + half, half, cells);
      return;
    }
    ChooseByRounding(chunk, choice.steps_per_unit, half, cells.symbols.data());
    for (size_t i = 0; i < kBlock; ++i) cells.centroids[i] = centroids_[cells.symbols[i]];
  }

  const NormalCode code_;
  const CentroidTable centroids_;
};

}  // namespace

std::unique_ptr<Quantizer> MakeEdenQuantizer(const StageSpec& stage) {
  return std::make_unique<NormalQuantizer>(EdenCode(stage));
}

std::unique_ptr<Quantizer> MakeEcsqQuantizer(const StageSpec& stage) {
  return std::make_unique<NormalQuantizer>(EcsqCode(stage));
}

}  // namespace tern::compression
