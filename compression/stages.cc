#include "compression/stages.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "compression/eden.h"
#include "compression/qsgd.h"
#include "compression/quantize.h"
#include "compression/randk.h"
#include "compression/threshold.h"
#include "compression/topk.h"
#include "compression/zstd.h"
#include "core/base/check.h"

namespace tern::compression {
namespace {

std::string CheckNoArguments(const StageSpec& stage) {
  if (stage.arguments.empty() && stage.option.empty()) return "";
  return absl::StrCat("has ", stage.arguments.size() + (stage.option.empty() ? 0 : 1),
                      " arguments, expected none");
}

bool Always(const StageSpec& /*stage*/) { return true; }
bool Never(const StageSpec& /*stage*/) { return false; }
bool UnlessUnbiased(const StageSpec& stage) { return stage.option != "unbiased"; }
bool IfMse(const StageSpec& stage) { return stage.option == "mse"; }
bool IfCoarseAndNearest(const StageSpec& stage) {
  return stage.arguments[0] <= 4 && stage.option.empty();
}

constexpr StageEntry kStages[] = {
    {"mask", "mask", "only the coordinates that the plan trains; which, both sides know",
     Slot::kMask, CheckNoArguments, Never},
    {"topk", "topk(fraction[, floor])",
     "the coordinates of largest magnitude; with a floor of each tensor, so many at least",
     Slot::kSparsifier, CheckTopKArguments, Always},
    {"randk", "randk(fraction[, unbiased])",
     "coordinates drawn from the seed, which takes no bytes; unbiased: scaled up",
     Slot::kSparsifier, CheckRandKArguments, UnlessUnbiased},
    {"threshold", "threshold(magnitude)", "the coordinates of at least this magnitude",
     Slot::kSparsifier, CheckThresholdArguments, Always},
    {"rotate", "rotate", "randomised Hadamard transform, the same for all devices of a round",
     Slot::kRotate, CheckNoArguments, Never},
    {"none", "none", "32-bit floats as they are", Slot::kQuantizer, CheckNoArguments, Never},
    {"float16", "float16", "16-bit floats, magnitudes up to 65504", Slot::kQuantizer,
     CheckNoArguments, Never},
    {"bfloat16", "bfloat16", "16-bit floats of 8 bits of precision", Slot::kQuantizer,
     CheckNoArguments, Never},
    {"quantize", "quantize(bits[, stochastic])",
     "uniform, 1 to 8 bits, with a 16-bit scale for each 256 coordinates", Slot::kQuantizer,
     CheckQuantizeArguments, IfCoarseAndNearest},
    {"qsgd", "qsgd(levels, bucket)",
     "levels of each bucket's norm, rounded at random (Alistarh et al. 2017)", Slot::kQuantizer,
     CheckQsgdArguments, Never},
    {"ternary", "ternary", "signs of what a sparsifier kept, times its mean magnitude (STC)",
     Slot::kQuantizer, CheckNoArguments, Always},
    {"sign", "sign", "signs times the mean magnitude (EF-signSGD): one bit", Slot::kQuantizer,
     CheckNoArguments, Always},
    {"eden", "eden(bits[, mse])",
     "behind rotate: 1, 2, 3, 4 bits or below 1, unbiased, or mse: of least error",
     Slot::kQuantizer, CheckEdenArguments, IfMse},
    {"ecsq", "ecsq(bits[, unbiased])",
     "behind rotate, before rans: the uniform steps that take so many bits once coded",
     Slot::kQuantizer, CheckEcsqArguments, UnlessUnbiased},
    {"rice", "rice", "positions of what was kept as Golomb-Rice numbers (the default)",
     Slot::kCoder, CheckNoArguments, Never},
    {"bitpack", "bitpack", "positions as a bitmap, symbols of as many bits as they need",
     Slot::kCoder, CheckNoArguments, Never},
    {"rans", "rans", "positions and symbols at their entropy, by range coding (rANS)", Slot::kCoder,
     CheckNoArguments, Never},
#ifdef TERN_WITH_ZSTD
    {"zstd", "zstd[(level)]", "Zstandard of all that came before; level: 1 to 19, 3 by itself",
     Slot::kZstd, CheckZstdArguments, Never},
#endif
};

// What a slot is called in messages.
absl::string_view SlotName(Slot slot) {
  switch (slot) {
    case Slot::kMask:
      return "mask";
    case Slot::kSparsifier:
      return "a sparsifier";
    case Slot::kRotate:
      return "rotate";
    case Slot::kQuantizer:
      return "a quantizer";
    case Slot::kCoder:
      return "a coder";
    case Slot::kZstd:
      return "zstd";
  }
  return "";
}

constexpr char kOrder[] =
    "mask | topk, randk or threshold, or else rotate | a quantizer | rice, bitpack or rans | zstd";

void Place(const StageSpec& stage, Slot slot, Pipeline& pipeline) {
  switch (slot) {
    case Slot::kMask:
      pipeline.mask = true;
      return;
    case Slot::kSparsifier:
      pipeline.sparsifier = stage;
      return;
    case Slot::kRotate:
      pipeline.rotate = true;
      return;
    case Slot::kQuantizer:
      pipeline.quantizer = stage;
      return;
    case Slot::kCoder:
      pipeline.coder = stage.name == "rice"      ? Coder::kRice
                       : stage.name == "bitpack" ? Coder::kBitpack
                                                 : Coder::kRans;
      return;
    case Slot::kZstd:
      pipeline.zstd = stage;
      return;
  }
}

bool IsAnyOf(absl::string_view name, std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Empty, or why the stages do not fit one another though they are in order.
std::string Misfit(const Pipeline& pipeline) {
  const std::string& quantizer = pipeline.quantizer.name;
  const bool floats = IsAnyOf(quantizer, {"none", "float16", "bfloat16"});
  if (pipeline.rotate && !IsAnyOf(quantizer, {"eden", "ecsq", "quantize", "qsgd"})) {
    return "'rotate' is of use before eden, ecsq, quantize or qsgd only";
  }
  if (!pipeline.rotate && IsAnyOf(quantizer, {"eden", "ecsq"})) {
    return absl::StrCat("'", quantizer, "' takes what 'rotate' gives; put rotate before it");
  }
  if (quantizer == "ternary" && !pipeline.sparsifier.has_value()) {
    return "'ternary' takes what a sparsifier kept; put topk, randk or threshold before it, or use "
           "sign";
  }
  if (quantizer == "sign" && pipeline.sparsifier.has_value()) {
    return "'sign' behind a sparsifier is called 'ternary'";
  }
  if (quantizer == "ecsq" && pipeline.coder != Coder::kRans) {
    return "'ecsq' is made for the coder 'rans'; put rans behind it";
  }
  if (pipeline.coder == Coder::kRice && !pipeline.SendsPositions()) {
    return "'rice' codes positions, which only topk and threshold send";
  }
  if ((pipeline.coder == Coder::kBitpack || pipeline.coder == Coder::kRans) && floats &&
      !pipeline.SendsPositions()) {
    return absl::StrCat("'", quantizer, "' gives no symbols that a coder takes");
  }
  return "";
}

}  // namespace

absl::Span<const StageEntry> Stages() { return kStages; }

std::vector<std::string> StagesToDeclare() {
#ifdef TERN_WITH_ZSTD
  return {};
#else
  std::vector<std::string> names;
  for (const StageEntry& entry : kStages) names.emplace_back(entry.name);
  return names;
#endif
}

const StageEntry* FindStage(absl::string_view name) {
  for (const StageEntry& entry : kStages) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

absl::StatusOr<Pipeline> ArrangeStages(const CodecSpec& spec) {
  Pipeline pipeline;
  const StageEntry* last = nullptr;
  for (const StageSpec& stage : spec.stages) {
    const StageEntry* const entry = FindStage(stage.name);
    TERN_CHECK(entry != nullptr);
    const bool both =
        last != nullptr && last->slot == Slot::kSparsifier && entry->slot == Slot::kRotate;
    if (last != nullptr && (entry->slot <= last->slot || both)) {
      return absl::InvalidArgumentError(
          absl::StrCat("stage '", stage.name, "' (", SlotName(entry->slot), ") cannot follow '",
                       last->name, "' (", SlotName(last->slot), "); the order is ", kOrder));
    }
    Place(stage, entry->slot, pipeline);
    last = entry;
  }
  const std::string misfit = Misfit(pipeline);
  if (!misfit.empty()) return absl::InvalidArgumentError(absl::StrCat("stage ", misfit));
  return pipeline;
}

}  // namespace tern::compression
