#include "core/model/submodel.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"

namespace tern {
namespace {

// Channels of a tensor, as a CoordinateSet's runs.
using Channels = std::vector<CoordinateRun>;

int64_t Count(const Channels& channels) {
  int64_t count = 0;
  for (const CoordinateRun& run : channels) count += run.size;
  return count;
}

// `begin` is behind all runs; touching runs become one.
void AppendRun(int64_t begin, int64_t size, std::vector<CoordinateRun>& runs) {
  if (!runs.empty() && runs.back().begin + runs.back().size == begin) {
    runs.back().size += size;
  } else {
    runs.push_back({.begin = begin, .size = size});
  }
}

// ceil(width * units). The product's rounding error, below 2^-32 for units up to kMaxDimension,
// adds no channel: 0.07 of 100 are 7.
int64_t NumKept(int64_t units, double width) {
  constexpr double kRounding = 1e-9;
  const double exact = width * static_cast<double>(units);
  return std::max(int64_t{1}, static_cast<int64_t>(std::ceil(exact - kRounding)));
}

Channels KeptChannels(int64_t units, const SubmodelOptions& options) {
  const int64_t kept = NumKept(units, options.width);
  if (kept == units || options.rule == SubmodelRule::kHeteroFl) return {{.size = kept}};
  const auto start = static_cast<int64_t>((options.round - 1) % static_cast<uint64_t>(units));
  const int64_t wrapped = std::max(int64_t{0}, start + kept - units);
  Channels channels;
  if (wrapped > 0) channels.push_back({.size = wrapped});
  channels.push_back({.begin = start, .size = kept - wrapped});
  return channels;
}

// Each channel becomes the `times` that it holds or makes.
Channels Multiplied(Channels channels, int64_t times) {
  for (CoordinateRun& run : channels) run = {.begin = run.begin * times, .size = run.size * times};
  return channels;
}

// The groups, each of `group_size` channels, that are in `channels`. INVALID_ARGUMENT names the
// layer if a part of a group is.
absl::StatusOr<Channels> KeptGroups(const LayerSpec& layer, Channels channels, int64_t group_size) {
  for (CoordinateRun& run : channels) {
    if (run.begin % group_size != 0 || run.size % group_size != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer '", layer.name, "': a submodel would keep channels ", run.begin,
                       " to ", run.begin + run.size - 1, " of its input, which cuts its groups of ",
                       group_size, " apart; choose another width, or groups of one channel each"));
    }
    run = {.begin = run.begin / group_size, .size = run.size / group_size};
  }
  return channels;
}

// Which channels a layer with parameters reads and gives.
struct KeptOfLayer {
  Channels in;
  Channels out;

  bool operator==(const KeptOfLayer&) const = default;
};

// The kept coordinates of a weight {out, in, ...} and of its bias {out}.
void AppendParameters(const Parameter& weight, const Parameter& bias, const KeptOfLayer& kept,
                      std::vector<CoordinateRun>& runs) {
  const int64_t of_output = weight.size / weight.shape[0];
  const int64_t of_input = of_output / weight.shape[1];
  for (const CoordinateRun& out : kept.out) {
    for (int64_t channel = out.begin; channel < out.begin + out.size; ++channel) {
      const int64_t row = weight.offset + channel * of_output;
      for (const CoordinateRun& in : kept.in) {
        AppendRun(row + in.begin * of_input, in.size * of_input, runs);
      }
    }
  }
  for (const CoordinateRun& out : kept.out) AppendRun(bias.offset + out.begin, out.size, runs);
}

// Shortest digits that read back as the same number.
std::string WidthString(double width) {
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), width);
  return std::string(digits, end.ptr);
}

std::string SubmodelName(const SubmodelOptions& options) {
  if (options.width == 1.0) return "";
  const absl::string_view rule = SubmodelRuleName(options.rule);
  if (options.rule == SubmodelRule::kHeteroFl) {
    return absl::StrCat(rule, "(", WidthString(options.width), ")");
  }
  return absl::StrCat(rule, "(", WidthString(options.width), ", ", options.round, ")");
}

absl::Status CheckOptions(const SubmodelOptions& options) {
  if (!(options.width > 0.0 && options.width <= 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("width of a submodel is ", options.width, ", expected above 0 and at most 1"));
  }
  if (options.round < 1) {
    return absl::InvalidArgumentError("round of a submodel is 0, expected 1 or more");
  }
  return absl::OkStatus();
}

class SubmodelMaker {
 public:
  // `full`, its shapes and its layout must outlive the maker.
  SubmodelMaker(const ModelSpec& full, const std::vector<Shape>& shapes,
                const ParameterLayout& layout, const SubmodelOptions& options)
      : full_(full), shapes_(shapes), layout_(layout), options_(options) {
    for (size_t i = 0; i < full.layers.size(); ++i) {
      if (layout.weight_of_layer[i] >= 0) last_with_parameters_ = i;
    }
    submodel_ = {.name = SubmodelName(options),
                 .model = {.name = full.name, .input = full.input},
                 .coordinates = {.full_size = layout.size}};
    kept_ = {{.size = full.input.empty() ? 1 : full.input[0]}};
  }

  absl::StatusOr<Submodel> Make() && {
    for (size_t i = 0; i < full_.layers.size(); ++i) TERN_RETURN_IF_ERROR(AddLayer(i));
    submodel_.coordinates.size = Count(submodel_.coordinates.runs);
    // Scale layers may be too many for a model.
    TERN_ASSIGN_OR_RETURN(const ParameterLayout packed, MakeParameterLayout(submodel_.model));
    TERN_CHECK(packed.size == submodel_.coordinates.size);
    return std::move(submodel_);
  }

 private:
  // Of those that share parameters.
  struct FirstLayer {
    absl::string_view name;
    KeptOfLayer kept;
  };

  absl::Status AddLayer(size_t i) {
    LayerSpec layer = full_.layers[i];
    std::vector<LayerSpec>& layers = submodel_.model.layers;
    // Models are chains (InferShapes): a layer that names its input names the one before it.
    if (!layer.input.empty()) layer.input = layers.back().name;
    if (layout_.weight_of_layer[i] < 0) {
      if (layer.kind == LayerKind::kFlatten) {
        const Shape& input = i == 0 ? full_.input : shapes_[i - 1];
        kept_ = Multiplied(std::move(kept_), input.empty() ? 1 : NumElements(input) / input[0]);
      }
      layers.push_back(std::move(layer));
      return absl::OkStatus();
    }
    if (layer.kind == LayerKind::kConv2d && layer.groups > 1)
      return AddGrouped(i, std::move(layer));
    const int64_t units = layer.units;
    const KeptOfLayer kept = {.in = std::move(kept_),
                              .out = i == last_with_parameters_ ? Channels{{.size = units}}
                                                                : KeptChannels(units, options_)};
    kept_ = kept.out;
    layer.units = Count(kept_);
    layers.push_back(std::move(layer));
    if (options_.scale && layers.back().units < units) TERN_RETURN_IF_ERROR(AddScale(units));
    return AddCoordinates(i, kept);
  }

  // `layer` is that of index i with its input named.
  absl::Status AddGrouped(size_t i, LayerSpec layer) {
    const int64_t group_inputs =
        layout_.parameters[static_cast<size_t>(layout_.weight_of_layer[i])].shape[1];
    TERN_ASSIGN_OR_RETURN(const Channels groups, KeptGroups(layer, std::move(kept_), group_inputs));
    if (i == last_with_parameters_ && Count(groups) < layer.groups) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer '", layer.name,
                       "': the last layer with parameters keeps all its outputs, but its ",
                       layer.groups, " groups would lose inputs; end the model in a dense layer"));
    }
    kept_ = Multiplied(groups, layer.units / layer.groups);
    layer.groups = Count(groups);
    layer.units = Count(kept_);
    submodel_.model.layers.push_back(std::move(layer));
    return AddCoordinates(i, {.in = {{.size = group_inputs}}, .out = kept_});
  }

  // Behind the last layer, which had `units` outputs.
  absl::Status AddScale(int64_t units) {
    const LayerSpec& narrowed = submodel_.model.layers.back();
    std::string name = absl::StrCat(narrowed.name, ".scale");
    for (const LayerSpec& layer : full_.layers) {
      if (layer.name != name) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("layer '", name, "': a submodel's scale layer behind layer '", narrowed.name,
                       "' must have this name; rename the layer"));
    }
    const float factor = static_cast<float>(units) / static_cast<float>(narrowed.units);
    submodel_.model.layers.push_back(
        {.name = std::move(name), .kind = LayerKind::kScale, .factor = factor});
    return absl::OkStatus();
  }

  absl::Status AddCoordinates(size_t i, const KeptOfLayer& kept) {
    const auto weight = static_cast<size_t>(layout_.weight_of_layer[i]);
    const auto [first, is_first] =
        first_with_.try_emplace(weight, FirstLayer{full_.layers[i].name, kept});
    if (is_first) {
      AppendParameters(layout_.parameters[weight], layout_.parameters[weight + 1], kept,
                       submodel_.coordinates.runs);
      return absl::OkStatus();
    }
    if (first->second.kept == kept) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "layers '", first->second.name, "' and '", full_.layers[i].name,
        "' share parameters but would keep different channels at width ", options_.width,
        "; give each its own parameters, or train no submodels of model '", full_.name, "'"));
  }

  const ModelSpec& full_;
  const std::vector<Shape>& shapes_;
  const ParameterLayout& layout_;
  const SubmodelOptions& options_;
  size_t last_with_parameters_ = 0;
  Submodel submodel_;
  Channels kept_;                                       // of the output of the layer added last
  absl::flat_hash_map<size_t, FirstLayer> first_with_;  // by index of its weight in the layout
};

struct RuleEntry {
  absl::string_view name;
  SubmodelRule rule;
};

constexpr RuleEntry kRules[] = {
    {"heterofl", SubmodelRule::kHeteroFl},
    {"fedrolex", SubmodelRule::kFedRolex},
};

}  // namespace

void CoordinateSet::Pack(absl::Span<const float> full, absl::Span<float> packed) const {
  TERN_CHECK(static_cast<int64_t>(full.size()) == full_size);
  TERN_CHECK(static_cast<int64_t>(packed.size()) == size);
  float* out = packed.data();
  for (const CoordinateRun& run : runs) {
    out = std::copy_n(full.data() + run.begin, run.size, out);
  }
}

absl::StatusOr<SubmodelRule> ParseSubmodelRule(absl::string_view name) {
  for (const RuleEntry& entry : kRules) {
    if (entry.name == name) return entry.rule;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no submodel rule '", name, "'; there are ",
                   absl::StrJoin(kRules, ", ", [](std::string* out, const RuleEntry& entry) {
                     absl::StrAppend(out, entry.name);
                   })));
}

absl::string_view SubmodelRuleName(SubmodelRule rule) {
  for (const RuleEntry& entry : kRules) {
    if (entry.rule == rule) return entry.name;
  }
  return "unknown";
}

absl::StatusOr<Submodel> MakeSubmodel(const ModelSpec& full, const SubmodelOptions& options) {
  TERN_RETURN_IF_ERROR(CheckOptions(options));
  TERN_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, InferShapes(full));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(full));
  return SubmodelMaker(full, shapes, layout, options).Make();
}

}  // namespace tern
