// Availability as it was recorded: a CSV file of intervals.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "simulation/availability_segments.h"

namespace tern::simulation {
namespace {

constexpr absl::string_view kHeader = "client,start_s,end_s";
constexpr int64_t kMaxFileBytes = int64_t{1} << 28;
constexpr int64_t kMaxClients = 1'000'000;
constexpr double kMaxSeconds = 1e9;
constexpr absl::Duration kShortestInterval = absl::Seconds(1);

struct Interval {
  int64_t client = 0;
  absl::Duration start;
  absl::Duration end;
  int64_t line = 0;
};

class Trace final : public SegmentAvailability {
 public:
  // `intervals`: at least one, by client and start, without overlap.
  explicit Trace(std::vector<Interval> intervals) : intervals_(std::move(intervals)) {
    num_clients_ = intervals_.back().client + 1;
    for (const Interval& interval : intervals_) period_ = std::max(period_, interval.end);
  }

 private:
  Segment SegmentAt(int64_t device, absl::Duration now) const override {
    const int64_t client = device % num_clients_;
    absl::Duration in_period;
    const absl::Duration start = absl::IDivDuration(now, period_, &in_period) * period_;
    // The first interval of the client that ends after that time.
    const auto found =
        std::partition_point(intervals_.begin(), intervals_.end(), [&](const Interval& interval) {
          return std::tie(interval.client, interval.end) <= std::tie(client, in_period);
        });
    const bool there_is = found != intervals_.end() && found->client == client;
    if (!there_is) return {.on = false, .end = HasNone(client) ? kNever : start + period_};
    if (in_period < found->start) return {.on = false, .end = start + found->start};
    const bool whole = found->start == absl::ZeroDuration() && found->end == period_;
    return {.on = true, .end = whole ? kNever : start + found->end};
  }

  bool HasNone(int64_t client) const {
    return !std::binary_search(
        intervals_.begin(), intervals_.end(), Interval{.client = client},
        [](const Interval& a, const Interval& b) { return a.client < b.client; });
  }

  static constexpr absl::Duration kNever = absl::InfiniteDuration();

  const std::vector<Interval> intervals_;
  int64_t num_clients_ = 0;
  absl::Duration period_;
};

absl::Status Malformed(const std::string& path, int64_t line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": ", what));
}

// What is wrong with `text`, which should be a row, or nothing; sets `interval`.
std::string ParseRow(absl::string_view text, Interval& interval) {
  constexpr size_t kMaxQuoted = 60;
  const std::vector<absl::string_view> cells = absl::StrSplit(text, ',');
  if (cells.size() != 3) {
    return absl::StrCat("expected ", kHeader, ", got '", text.substr(0, kMaxQuoted), "'");
  }
  if (!absl::SimpleAtoi(cells[0], &interval.client) || interval.client < 0 ||
      interval.client >= kMaxClients) {
    return absl::StrCat("client is '", cells[0].substr(0, kMaxQuoted), "', expected 0 to ",
                        kMaxClients - 1);
  }
  double seconds[2] = {0.0, 0.0};
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const absl::string_view cell = cells[i + 1];
    if (absl::SimpleAtod(cell, &seconds[i]) && seconds[i] >= 0.0 && seconds[i] <= kMaxSeconds) {
      continue;
    }
    return absl::StrCat(i == 0 ? "start_s" : "end_s", " is '", cell.substr(0, kMaxQuoted),
                        "', expected a number of seconds from 0 to ", kMaxSeconds);
  }
  interval.start = absl::Seconds(seconds[0]);
  interval.end = absl::Seconds(seconds[1]);
  if (interval.end - interval.start >= kShortestInterval) return "";
  return absl::StrCat("end_s is ", cells[2], ", expected at least a second more than start_s, ",
                      cells[1]);
}

absl::StatusOr<std::vector<Interval>> ParseRows(const std::string& path, absl::string_view text) {
  std::vector<Interval> intervals;
  int64_t line = 0;
  for (absl::string_view row : absl::StrSplit(text, '\n')) {
    ++line;
    row = absl::StripSuffix(row, "\r");
    if (line == 1) {
      if (row == kHeader) continue;
      return Malformed(path, line, absl::StrCat("expected the header ", kHeader));
    }
    if (row.empty()) continue;
    Interval interval{.line = line};
    const std::string problem = ParseRow(row, interval);
    if (!problem.empty()) return Malformed(path, line, problem);
    intervals.push_back(interval);
  }
  if (intervals.empty()) return Malformed(path, 1, "expected rows after the header, got none");
  return intervals;
}

// By client and start; those that touch become one.
absl::StatusOr<std::vector<Interval>> Merge(const std::string& path,
                                            std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) {
    return std::tie(a.client, a.start, a.line) < std::tie(b.client, b.start, b.line);
  });
  std::vector<Interval> merged;
  for (const Interval& interval : intervals) {
    const bool first = merged.empty() || merged.back().client != interval.client;
    if (first || interval.start > merged.back().end) {
      merged.push_back(interval);
    } else if (interval.start == merged.back().end) {
      merged.back().end = interval.end;
      merged.back().line = interval.line;
    } else {
      return Malformed(
          path, interval.line,
          absl::StrCat("the interval overlaps that of line ", merged.back().line,
                       " of the same client, ", interval.client, "; expected intervals apart"));
    }
  }
  return merged;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Availability>> LoadAvailabilityTrace(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  TERN_ASSIGN_OR_RETURN(std::vector<Interval> intervals, ParseRows(path, text));
  TERN_ASSIGN_OR_RETURN(intervals, Merge(path, std::move(intervals)));
  return std::make_unique<Trace>(std::move(intervals));
}

}  // namespace tern::simulation
