#include "server/config/load_population.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::server {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

class LoadPopulationTest : public ::testing::Test {
 protected:
  // Of a configuration whose first line is its task.
  absl::StatusOr<LoadedConfig> Load(absl::string_view yaml) {
    const std::string text = absl::StrCat("task: {model: lenet5}\n", yaml);
    EXPECT_THAT(WriteFileAtomically(path_, text), IsOk());
    return LoadConfig(path_, {});
  }
  std::string Line(int line, absl::string_view what) {
    return absl::StrCat(path_, ":", line, ": ", what);
  }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("study.yaml");
};

TEST_F(LoadPopulationTest, NothingSaid_IsNoPopulationAndTheDefaults) {
  const auto config = Load("");
  ASSERT_THAT(config, IsOk());
  EXPECT_TRUE(config->population.empty());
  EXPECT_FALSE(config->simulation.train_dropped);
  EXPECT_EQ(config->simulation.check_in_spread, absl::Minutes(1));
}

TEST_F(LoadPopulationTest, EveryField_ReachesItsPlace) {
  const auto config = Load(
      "population:\n"
      "  - {profile: phone_low, fraction: 0.25, network: 3g,\n"
      "     availability: {kind: diurnal, peak: 0.8, trough: 0.1, peak_hour: 3}}\n"
      "  - {profile: mine.yaml, fraction: 0.5,\n"
      "     availability: {kind: markov, mean_on_s: 60, mean_off_s: 30}}\n"
      "  - {profile: laptop, fraction: 0.25, availability: {kind: trace, file: on.csv}}\n"
      "simulation: {train_dropped: true, check_in_spread_s: 1.5}\n");
  ASSERT_THAT(config, IsOk());
  ASSERT_EQ(config->population.size(), 3u);
  const DeviceGroupOptions& diurnal = config->population[0];
  EXPECT_EQ(diurnal.profile, "phone_low");
  EXPECT_EQ(diurnal.fraction, 0.25);
  EXPECT_EQ(diurnal.network, "3g");
  EXPECT_EQ(diurnal.availability.kind, "diurnal");
  EXPECT_EQ(diurnal.availability.peak, 0.8);
  EXPECT_EQ(diurnal.availability.trough, 0.1);
  EXPECT_EQ(diurnal.availability.peak_hour, 3.0);
  const DeviceGroupOptions& markov = config->population[1];
  EXPECT_EQ(markov.profile, "mine.yaml");
  EXPECT_EQ(markov.network, "");
  EXPECT_EQ(markov.availability.kind, "markov");
  EXPECT_EQ(markov.availability.mean_on_s, 60.0);
  EXPECT_EQ(markov.availability.mean_off_s, 30.0);
  EXPECT_EQ(config->population[2].availability.file, "on.csv");
  EXPECT_TRUE(config->simulation.train_dropped);
  EXPECT_EQ(config->simulation.check_in_spread, absl::Milliseconds(1500));
}

TEST_F(LoadPopulationTest, ResolvedYaml_HoldsThePopulation) {
  const auto config = Load(
      "population:\n"
      "  - {profile: phone_low, fraction: 0.1}\n"
      "  - {profile: laptop, fraction: 0.9, availability: {kind: markov}}\n");
  ASSERT_THAT(config, IsOk());
  ASSERT_THAT(WriteFileAtomically(path_, config->resolved_yaml), IsOk());
  const auto again = LoadConfig(path_, {});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config_hash, config->config_hash);
  ASSERT_EQ(again->population.size(), 2u);
  EXPECT_EQ(again->population[0].fraction, 0.1);
  EXPECT_EQ(again->population[1].availability.kind, "markov");
}

TEST_F(LoadPopulationTest, Fractions_AddUpToOne) {
  EXPECT_THAT(Load("population:\n"
                   "  - {profile: a, fraction: 0.3}\n"
                   "  - {profile: b, fraction: 0.3}\n"
                   "  - {profile: c, fraction: 0.4000009}\n"),
              IsOk());
  EXPECT_THAT(
      Load("population:\n"
           "  - {profile: a, fraction: 0.5}\n"
           "  - {profile: b, fraction: 0.25}\n"),
      StatusIs(kInvalid, Line(2, "population has fractions that add up to 0.75, expected 1")));
}

TEST_F(LoadPopulationTest, ValueOutOfRange_NamesFileLineAndField) {
  const auto error_of = [this](absl::string_view group) {
    return Load(absl::StrCat("population:\n- profile: a\n  ", group, "\n")).status();
  };
  EXPECT_THAT(
      error_of("fraction: 0"),
      StatusIs(kInvalid, Line(4, "population[0].fraction is 0, expected above 0 and at most 1")));
  EXPECT_THAT(error_of("fraction: 1.5"),
              StatusIs(kInvalid, Line(4, "population[0].fraction is 1.5, expected above 0")));
  EXPECT_THAT(
      Load("population:\n- {profile: a, fraction: 0.5}\n- {fraction: 0.5}\n"),
      StatusIs(kInvalid, Line(4, "population[1] has no profile, expected a name or a YAML file")));
  EXPECT_THAT(error_of("fraction: 1\n  availability:\n    {kind: diurnal,\n     peak: 2}"),
              StatusIs(kInvalid, Line(7, "population[0].availability.peak is 2, expected 0 to 1")));
  EXPECT_THAT(
      Load("simulation:\n  check_in_spread_s: -1\n"),
      StatusIs(kInvalid, Line(3, "simulation.check_in_spread_s is -1, expected 0 to 1e+09")));
  EXPECT_THAT(Load("data:\n  partition:\n    alpha: 0\n"),
              StatusIs(kInvalid, Line(4, "data.partition.alpha is 0, expected 0.0001 to 1e+06")));
}

struct BadAvailability {
  AvailabilityOptions options;
  const char* message;
};

class ValidateAvailabilityErrors : public ::testing::TestWithParam<BadAvailability> {};

TEST_P(ValidateAvailabilityErrors, NameTheField) {
  EXPECT_THAT(ValidateAvailabilityOptions(GetParam().options),
              StatusIs(kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ValidateAvailabilityErrors,
    ::testing::Values(
        BadAvailability{{.kind = "never"},
                        "availability.kind is 'never', expected one of always, diurnal, markov, "
                        "trace"},
        BadAvailability{{.kind = "diurnal", .peak = 1.1},
                        "availability.peak is 1.1, expected 0 to 1"},
        BadAvailability{{.kind = "diurnal", .peak = 0.5, .trough = 0.6},
                        "availability.trough is 0.6, expected 0 to 0.5"},
        BadAvailability{{.kind = "diurnal", .peak_hour = -1},
                        "availability.peak_hour is -1, expected 0 to 24"},
        BadAvailability{{.kind = "markov", .mean_on_s = 0.0},
                        "availability.mean_on_s is 0, expected 1 to 1e+09"},
        BadAvailability{{.kind = "markov", .mean_off_s = std::numeric_limits<double>::quiet_NaN()},
                        "availability.mean_off_s is nan, expected"},
        BadAvailability{{.kind = "trace"}, "availability.file is not given, expected a CSV"}));

}  // namespace
}  // namespace tern::server
