// Against tests/golden/robust.py, which computes the rules with NumPy from their papers.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/aggregation/robust/robust_tools.h"

namespace tern::aggregation {
namespace {

using nlohmann::json;

AggregatorOptions OptionsOf(const json& options) {
  const AggregatorOptions defaults;
  return {.name = options.at("name").get<std::string>(),
          .attackers = options.value("attackers", defaults.attackers),
          .trim = options.value("trim", defaults.trim),
          .keep = options.value("keep", defaults.keep),
          .clip_norm = options.value("clip_norm", defaults.clip_norm),
          .iterations = options.value("iterations", defaults.iterations),
          .smoothing = options.value("smoothing", defaults.smoothing)};
}

SharedSet SetOf(const json& held, int64_t count) {
  if (held.is_null()) return nullptr;
  std::vector<CoordinateRun> runs;
  for (const json& run : held) runs.push_back({run[0].get<int64_t>(), run[1].get<int64_t>()});
  return MakeSet(std::move(runs), count);
}

std::vector<std::unique_ptr<TestUpdate>> UpdatesOf(const json& data) {
  std::vector<std::unique_ptr<TestUpdate>> updates;
  for (size_t i = 0; i < data.at("updates").size(); ++i) {
    auto values = data.at("updates")[i].get<std::vector<float>>();
    const SharedSet set = SetOf(data.at("held")[i], static_cast<int64_t>(values.size()));
    if (set != nullptr) {
      std::vector<float> packed(static_cast<size_t>(set->size));
      set->Pack(values, absl::MakeSpan(packed));
      values = std::move(packed);
    }
    updates.push_back(
        std::make_unique<TestUpdate>(UpdateSpec{.values = values,
                                                .id = i,
                                                .weight = data.at("weights")[i].get<int64_t>(),
                                                .coordinates = set}));
  }
  return updates;
}

TEST(GoldenRules, EqualTheFormulasOfThePapers) {
  std::ifstream file("tests/golden/robust.json");
  const json data = json::parse(file);
  int rules = 0;
  for (const json& one : data.at("cases")) {
    const auto updates = UpdatesOf(one);
    const auto count = static_cast<int64_t>(one.at("updates")[0].size());
    const auto reference = one.at("reference").get<std::vector<float>>();
    for (const json& rule : one.at("rules")) {
      SCOPED_TRACE(one.at("name").get<std::string>() + ", " + rule.at("options").dump());
      auto aggregator = MakeRobustAggregator(OptionsOf(rule.at("options")),
                                             LimitsOf(count, static_cast<int64_t>(updates.size())))
                            .value();
      for (const auto& update : updates) update->AccumulateInto(*aggregator);
      const auto previous = rule.value("previous", one.at("previous")).get<std::vector<float>>();
      const std::vector<float> values =
          (std::move(*aggregator).Report({.previous = previous, .reference = reference}))
              .value()
              .values;
      const auto expected = rule.at("expected").get<std::vector<double>>();
      ASSERT_EQ(values.size(), expected.size());
      for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(values[i], expected[i], 1e-6 * std::max(1.0, std::abs(expected[i]))) << i;
      }
      ++rules;
    }
  }
  EXPECT_EQ(rules, 52);
}

}  // namespace
}  // namespace tern::aggregation
