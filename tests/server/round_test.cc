#include "server/round.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/updates.h"

namespace tern::server {
namespace {

std::vector<std::string> Ids(int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back(absl::StrCat("device-", i));
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::shared_ptr<const Model> SomeModel() {
  auto model = std::make_shared<Model>();
  model->parameters = {1, 2, 3};
  return model;
}

TEST(DrawCohort, IsAPureFunctionOfSeedRoundAndIds) {
  const std::vector<std::string> ids = Ids(50);
  EXPECT_EQ(DrawCohort(1, 2, ids, 10), DrawCohort(1, 2, ids, 10));
  EXPECT_NE(DrawCohort(1, 2, ids, 10), DrawCohort(2, 2, ids, 10));
  EXPECT_NE(DrawCohort(1, 2, ids, 10), DrawCohort(1, 3, ids, 10));
}

TEST(DrawCohort, DrawsDistinctIds_AndAllIfThereAreTooFew) {
  const std::vector<std::string> cohort = DrawCohort(1, 1, Ids(50), 20);
  EXPECT_EQ(std::set<std::string>(cohort.begin(), cohort.end()).size(), 20u);
  EXPECT_THAT(DrawCohort(1, 1, Ids(5), 20), ::testing::UnorderedElementsAreArray(Ids(5)));
}

// Each of 20 ids is drawn with probability 1/4 in each of 4000 rounds. The false-alarm rate of 6
// standard deviations is 2e-9 an id.
TEST(DrawCohort, IsUniform) {
  const std::vector<std::string> ids = Ids(20);
  std::map<std::string, int> drawn;
  for (uint64_t round = 1; round <= 4000; ++round) {
    for (const std::string& id : DrawCohort(7, round, ids, 5)) ++drawn[id];
  }
  const double deviation = std::sqrt(4000 * 0.25 * 0.75);
  for (const std::string& id : ids) EXPECT_NEAR(drawn[id], 1000, 6 * deviation) << id;
}

TEST(Round, LeaseIds_DifferByClientRoundAndSecret) {
  std::set<std::string> ids;
  for (const uint64_t number : {1, 2}) {
    for (const char* secret : {"s", "t"}) {
      const Round round(number, SomeModel(), {"a", "b"}, secret);
      for (const Member& member : round.members()) {
        EXPECT_EQ(member.lease_id.size(), 16u);
        ids.insert(member.lease_id);
      }
    }
  }
  EXPECT_EQ(ids.size(), 8u);
}

TEST(Round, FindsMembersByClientAndByLease) {
  Round round(1, SomeModel(), {"a", "b"}, "secret");
  Member* b = round.FindClient("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(round.FindLease(b->lease_id), b);
  EXPECT_EQ(round.FindClient("c"), nullptr);
  EXPECT_EQ(round.FindLease("c"), nullptr);
}

TEST(Round, Summary_AddsUpToTheSelected) {
  Round round(3, SomeModel(), {"a", "b", "c", "d"}, "secret");
  for (const auto& [id, examples, loss] :
       {std::tuple<const char*, int64_t, double>{"a", 10, 1.0}, {"b", 30, 2.0}}) {
    Member* member = round.FindClient(id);
    round.SetState(*member, LeaseState::kAccepted);
    member->leased = round.Leased(tern::testing::SmallestModel(), SubmodelRule::kHeteroFl, 1.0);
    member->fetched = true;
    member->bytes = examples;
    member->report = {
        .num_examples = examples, .train_loss = loss, .peak_memory_bytes = 100 * examples};
  }
  round.SetState(*round.FindClient("c"), LeaseState::kFailed);
  EXPECT_FALSE(round.AllSettled());
  RoundRecord record;
  round.Summarize("late", record);
  EXPECT_EQ(record.round, 3u);
  EXPECT_EQ(record.clients_selected, 4);
  EXPECT_EQ(record.clients_completed, 2);
  EXPECT_EQ(record.clients_dropped, (std::map<std::string, int64_t>{{"failed", 1}, {"late", 1}}));
  EXPECT_DOUBLE_EQ(record.train_loss, 1.75);
  EXPECT_EQ(record.device_peak_memory_bytes, 3000);
  EXPECT_EQ(record.float_bytes_up, 2 * 3 * 4);
  EXPECT_EQ(record.float_bytes_down, 2 * 3 * 4);
  EXPECT_EQ(record.update_bytes, 40);
  ASSERT_EQ(record.members.size(), 4u);
  EXPECT_EQ(record.members[0].outcome, kCompleted);
  EXPECT_EQ(record.members[1].measured_peak_bytes, 3000);
  EXPECT_EQ(record.members[2].outcome, "failed");
  EXPECT_EQ(record.members[3].outcome, "late");
  round.SetState(*round.FindClient("d"), LeaseState::kFailed);
  EXPECT_TRUE(round.AllSettled());
}

}  // namespace
}  // namespace tern::server
