// What every dequantizer owes to arbitrary bytes: to refuse them, or to give values within the
// limit.
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "compression/float_formats.h"
#include "compression/qsgd.h"
#include "compression/quantize.h"
#include "compression/sign.h"
#include "tests/compression/quantizer_tools.h"

namespace tern::compression {
namespace {

struct Subject {
  StageSpec stage;
  std::unique_ptr<Dequantizer> (*make)(const StageSpec&);
};

const Subject kSubjects[] = {
    {{.name = "none"}, MakeFloatDequantizer},
    {{.name = "float16"}, MakeFloatDequantizer},
    {{.name = "bfloat16"}, MakeFloatDequantizer},
    {{.name = "sign"}, MakeSignDequantizer},
    {{.name = "quantize", .arguments = {1}}, MakeQuantizeDequantizer},
    {{.name = "quantize", .arguments = {2}}, MakeQuantizeDequantizer},
    {{.name = "quantize", .arguments = {8}}, MakeQuantizeDequantizer},
    {{.name = "qsgd", .arguments = {1, 64}}, MakeQsgdDequantizer},
    {{.name = "qsgd", .arguments = {127, 1024}}, MakeQsgdDequantizer},
};

// Bytes that are all random, or mostly those of numbers of ordinary magnitude.
void Fill(RandomStream& random, bool ordinary, char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(random.Below(256));
    if (ordinary && i % 2 == 1) bytes[i] = static_cast<char>(0x38 + random.Below(8));
  }
}

TEST(AnyDequantizer, ArbitraryBytes_AreRefusedOrWithinTheLimit) {
  RandomStream random({.seed = 80});
  for (const Subject& subject : kSubjects) {
    const auto dequantizer = subject.make(subject.stage);
    const QuantizerShape shape = dequantizer->shape();
    const auto symbol_limit = static_cast<uint32_t>(1 << std::min(shape.bits, 8));
    int accepted = 0;
    for (int i = 0; i < 3000; ++i) {
      const bool ordinary = i % 4 != 0;
      Quantized bytes{.shape = shape, .count = 1 + random.Below(i % 10 == 0 ? 3000 : 4)};
      const int64_t blocks = (bytes.count + shape.block - 1) / shape.block;
      bytes.header.resize(static_cast<size_t>(shape.header_bytes));
      bytes.parameters.resize(static_cast<size_t>(1 + blocks * shape.parameter_bytes));
      bytes.symbols.resize(static_cast<size_t>(1 + bytes.count * bytes.SymbolBytes()));
      Fill(random, ordinary, bytes.header.data(), bytes.header.size());
      Fill(random, ordinary, bytes.parameters.data() + 1, bytes.parameters.size() - 1);
      Fill(random, ordinary, reinterpret_cast<char*>(bytes.symbols.data()) + 1,
           bytes.symbols.size() - 1);
      if (shape.bits <= 8) {
        const uint32_t below = ordinary ? static_cast<uint32_t>(shape.alphabet) : symbol_limit;
        for (uint8_t& symbol : bytes.symbols) symbol = static_cast<uint8_t>(random.Below(below));
      }
      const float limit = ordinary ? 16.0f : std::numeric_limits<float>::infinity();
      if (!CheckAll(*dequantizer, bytes, limit).ok()) continue;
      ++accepted;
      for (const float value : DequantizeAll(*dequantizer, bytes)) {
        ASSERT_TRUE(std::isfinite(value) && std::abs(value) <= limit)
            << subject.stage.name << " gave " << value;
      }
    }
    EXPECT_GT(accepted, 100) << subject.stage.name;
  }
}

}  // namespace
}  // namespace tern::compression
