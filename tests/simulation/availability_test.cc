#include "simulation/availability.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace tern::simulation {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::Duration kNanosecond = absl::Nanoseconds(1);
constexpr absl::Duration kNever = absl::InfiniteDuration();

std::unique_ptr<Availability> Make(const server::AvailabilityOptions& options, uint64_t seed = 1) {
  auto made = MakeAvailability(options, seed);
  EXPECT_THAT(made, IsOk());
  return made.ok() ? *std::move(made) : nullptr;
}

// The share of the first `num_devices` devices that are on.
double ShareOn(const Availability& availability, int64_t num_devices, absl::Duration now) {
  int64_t on = 0;
  for (int64_t device = 0; device < num_devices; ++device) {
    on += availability.IsOn(device, now) ? 1 : 0;
  }
  return static_cast<double>(on) / static_cast<double>(num_devices);
}

// Less than one false alarm in 10^8: six standard deviations of a share of `num_devices`.
double Bound(double share, int64_t num_devices) {
  return 6.0 * std::sqrt(share * (1.0 - share) / static_cast<double>(num_devices));
}

// The state is the same until NextChange, and another then; walked change by change.
void ExpectConsistent(const Availability& availability, int64_t device, absl::Duration until) {
  absl::Duration now = absl::ZeroDuration();
  while (now < until) {
    const bool on = availability.IsOn(device, now);
    const absl::Duration change = availability.NextChange(device, now);
    ASSERT_GT(change, now);
    const absl::Duration end = std::min(change, until);
    for (int i = 1; i < 8; ++i) {
      const absl::Duration between = now + (end - now) * i / 8;
      ASSERT_EQ(availability.IsOn(device, between), on) << between;
      ASSERT_EQ(availability.NextChange(device, between), change) << between;
    }
    if (change == kNever) return;
    ASSERT_EQ(availability.IsOn(device, change - kNanosecond), on);
    ASSERT_NE(availability.IsOn(device, change), on);
    now = change;
  }
}

TEST(Always, IsOnForEver) {
  const auto always = Make({.kind = "always"});
  EXPECT_TRUE(always->IsOn(3, absl::Hours(1)));
  EXPECT_EQ(always->NextChange(3, absl::Hours(1)), kNever);
}

TEST(Diurnal, NextChange_IsWhereIsOnChanges) {
  const auto diurnal = Make({.kind = "diurnal", .peak = 0.9, .trough = 0.1});
  for (int64_t device = 0; device < 20; ++device) {
    ExpectConsistent(*diurnal, device, absl::Hours(24 * 10));
  }
}

TEST(Diurnal, SharesFollowTheHour) {
  constexpr int64_t kDevices = 20'000;
  const auto diurnal = Make({.kind = "diurnal", .peak = 0.8, .trough = 0.2, .peak_hour = 2});
  for (const int day : {0, 5}) {
    const absl::Duration midnight = absl::Hours(24 * day) + absl::Minutes(30);
    EXPECT_NEAR(ShareOn(*diurnal, kDevices, midnight + absl::Hours(2)), 0.8, Bound(0.8, kDevices));
    EXPECT_NEAR(ShareOn(*diurnal, kDevices, midnight + absl::Hours(14)), 0.2, Bound(0.2, kDevices));
    EXPECT_NEAR(ShareOn(*diurnal, kDevices, midnight + absl::Hours(8)), 0.5, Bound(0.5, kDevices));
  }
}

TEST(Diurnal, AlwaysOrNeverOn_NeverChanges) {
  const auto on = Make({.kind = "diurnal", .peak = 1, .trough = 1});
  EXPECT_TRUE(on->IsOn(0, absl::Hours(5)));
  EXPECT_EQ(on->NextChange(0, absl::Hours(5)), kNever);
  const auto off = Make({.kind = "diurnal", .peak = 0, .trough = 0});
  EXPECT_FALSE(off->IsOn(0, absl::Hours(5)));
  EXPECT_EQ(off->NextChange(0, absl::Hours(5)), kNever);
}

TEST(Markov, NextChange_IsWhereIsOnChanges) {
  const auto markov = Make({.kind = "markov", .mean_on_s = 100, .mean_off_s = 20});
  for (int64_t device = 0; device < 20; ++device) {
    // Five blocks: their edges are among the changes.
    ExpectConsistent(*markov, device, absl::Seconds(5 * 64 * 120));
  }
}

TEST(Markov, TheSameShareIsOnAtEveryTime) {
  constexpr int64_t kDevices = 20'000;
  const auto markov = Make({.kind = "markov", .mean_on_s = 300, .mean_off_s = 100});
  // From the start over the edge of a block (25,600 s) to far into the run.
  for (const double seconds : {0.0, 10.0, 1000.0, 25'599.0, 25'601.0, 30'000.0, 1e7}) {
    EXPECT_NEAR(ShareOn(*markov, kDevices, absl::Seconds(seconds)), 0.75, Bound(0.75, kDevices))
        << seconds;
  }
}

// Over many periods, on and off times have their means. Exponential times deviate by their mean;
// six standard errors: less than one false alarm in 10^8. Where two blocks meet, a period may be
// cut: one in 128, which moves the mean by less than a hundredth.
TEST(Markov, PeriodsHaveTheirMeans) {
  constexpr int kPeriods = 20'000;
  const auto markov = Make({.kind = "markov", .mean_on_s = 300, .mean_off_s = 100});
  absl::Duration total[2];
  int count[2] = {0, 0};
  absl::Duration now = markov->NextChange(7, absl::ZeroDuration());
  for (int i = 0; i < 2 * kPeriods; ++i) {
    const int on = markov->IsOn(7, now) ? 1 : 0;
    const absl::Duration next = markov->NextChange(7, now);
    total[on] += next - now;
    ++count[on];
    now = next;
  }
  const double error = 6.0 / std::sqrt(kPeriods) + 0.01;
  EXPECT_EQ(count[0], count[1]);
  EXPECT_NEAR(absl::ToDoubleSeconds(total[1]) / count[1], 300.0, 300.0 * error);
  EXPECT_NEAR(absl::ToDoubleSeconds(total[0]) / count[0], 100.0, 100.0 * error);
}

TEST(Availability, SeedAndDeviceDecide) {
  for (const char* kind : {"diurnal", "markov"}) {
    const server::AvailabilityOptions options{.kind = kind, .peak = 0.5, .trough = 0.5};
    const auto first = Make(options, 1);
    const auto again = Make(options, 1);
    const auto other = Make(options, 2);
    int differs_by_seed = 0;
    int differs_by_device = 0;
    for (int64_t device = 0; device < 100; ++device) {
      const absl::Duration now = absl::Hours(100);
      EXPECT_EQ(first->IsOn(device, now), again->IsOn(device, now));
      EXPECT_EQ(first->NextChange(device, now), again->NextChange(device, now));
      differs_by_seed += first->IsOn(device, now) != other->IsOn(device, now) ? 1 : 0;
      differs_by_device += first->IsOn(device, now) != first->IsOn(device + 1, now) ? 1 : 0;
    }
    EXPECT_GT(differs_by_seed, 10) << kind;
    EXPECT_GT(differs_by_device, 10) << kind;
  }
}

TEST(MakeAvailability, OptionsOutOfRange_NameTheField) {
  EXPECT_THAT(MakeAvailability({.kind = "sometimes"}, 1),
              StatusIs(kInvalid, "availability.kind is 'sometimes', expected one of always, "));
  EXPECT_THAT(MakeAvailability({.kind = "markov", .mean_on_s = -1}, 1),
              StatusIs(kInvalid, "availability.mean_on_s is -1, expected 1 to 1e+09"));
}

class TraceTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Availability>> Load(absl::string_view csv) {
    EXPECT_THAT(WriteFileAtomically(path_, csv), IsOk());
    return MakeAvailability({.kind = "trace", .file = path_}, 1);
  }
  void ExpectError(absl::string_view csv, int line, absl::string_view what) {
    EXPECT_THAT(Load(csv), StatusIs(kInvalid, absl::StrCat(path_, ":", line, ": ", what)));
  }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("on.csv");
};

TEST_F(TraceTest, IntervalsAreHalfOpenAndRepeat) {
  const auto trace = Load("client,start_s,end_s\r\n0,20,30\r\n0,5,10.5\r\n1,0,40\r\n");
  ASSERT_THAT(trace, IsOk());
  const Availability& on = **trace;
  EXPECT_FALSE(on.IsOn(0, absl::Seconds(4.9)));
  EXPECT_TRUE(on.IsOn(0, absl::Seconds(5)));
  EXPECT_TRUE(on.IsOn(0, absl::Seconds(10.4)));
  EXPECT_FALSE(on.IsOn(0, absl::Seconds(10.5)));
  EXPECT_TRUE(on.IsOn(0, absl::Seconds(29)));
  EXPECT_FALSE(on.IsOn(0, absl::Seconds(30)));
  // The last end of all is 40: there it begins again, for every client.
  EXPECT_EQ(on.NextChange(0, absl::Seconds(30)), absl::Seconds(45));
  EXPECT_TRUE(on.IsOn(0, absl::Seconds(400 + 7)));
  EXPECT_EQ(on.NextChange(0, absl::Seconds(400 + 7)), absl::Seconds(410.5));
  ExpectConsistent(on, 0, absl::Seconds(400));
}

TEST_F(TraceTest, DevicesFollowClientsInTurn) {
  const auto trace = Load("client,start_s,end_s\n0,0,10\n2,0,20\n");
  ASSERT_THAT(trace, IsOk());
  const absl::Duration now = absl::Seconds(15);
  for (const int64_t device : {0, 3, 6}) EXPECT_FALSE((*trace)->IsOn(device, now));
  for (const int64_t device : {2, 5, 8}) EXPECT_TRUE((*trace)->IsOn(device, now));
  // No line is about client 1: it is never on.
  EXPECT_FALSE((*trace)->IsOn(4, now));
  EXPECT_EQ((*trace)->NextChange(4, now), kNever);
  // Client 2 is on from end to end of the trace.
  EXPECT_EQ((*trace)->NextChange(5, now), kNever);
}

TEST_F(TraceTest, IntervalsThatTouch_AreOne) {
  const auto trace = Load("client,start_s,end_s\n0,10,20\n0,0,10\n0,20,30\n1,0,60\n");
  ASSERT_THAT(trace, IsOk());
  EXPECT_EQ((*trace)->NextChange(0, absl::ZeroDuration()), absl::Seconds(30));
  // On from 60 (where the trace begins again) on: one stretch over the edge for who ends there.
  const auto over_edge = Load("client,start_s,end_s\n0,50,60\n0,0,10\n");
  ASSERT_THAT(over_edge, IsOk());
  EXPECT_EQ((*over_edge)->NextChange(0, absl::Seconds(55)), absl::Seconds(70));
}

TEST_F(TraceTest, MalformedFile_IsInvalidArgumentWithItsLine) {
  const std::string header = "client,start_s,end_s\n";
  ExpectError("", 1, "expected the header client,start_s,end_s");
  ExpectError("0,1,2\n", 1, "expected the header client,start_s,end_s");
  ExpectError(header, 1, "expected rows after the header, got none");
  ExpectError(header + "0,1\n", 2, "expected client,start_s,end_s, got '0,1'");
  ExpectError(header + "0,1,2,3\n", 2, "expected client,start_s,end_s, got '0,1,2,3'");
  ExpectError(header + "0,1,2\nx,1,2\n", 3, "client is 'x', expected 0 to 999999");
  ExpectError(header + "-1,1,2\n", 2, "client is '-1', expected 0 to 999999");
  ExpectError(header + "1000000,1,2\n", 2, "client is '1000000', expected 0 to 999999");
  ExpectError(header + "0,-1,2\n", 2, "start_s is '-1', expected a number of seconds from 0 to");
  ExpectError(header + "0,,2\n", 2, "start_s is '', expected a number of seconds");
  ExpectError(header + "0,1,nan\n", 2, "end_s is 'nan', expected a number of seconds");
  ExpectError(header + "0,1,1e10\n", 2, "end_s is '1e10', expected a number of seconds from 0 to");
  ExpectError(header + "0,2,2\n", 2, "end_s is 2, expected at least a second more than start_s, 2");
  ExpectError(header + "0,3,2\n", 2, "end_s is 2, expected at least a second more than start_s, 3");
  ExpectError(header + "0,5,9\n1,0,9\n\n0,0,5.5\n", 2,
              "the interval overlaps that of line 5 of the same client, 0");
}

TEST_F(TraceTest, NoFile_IsNotFound) {
  EXPECT_THAT(MakeAvailability({.kind = "trace", .file = "no/such.csv"}, 1),
              StatusIs(absl::StatusCode::kNotFound, "no/such.csv"));
}

}  // namespace
}  // namespace tern::simulation
