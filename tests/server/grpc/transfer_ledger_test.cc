#include "server/grpc/transfer_ledger.h"

#include <gtest/gtest.h>

namespace tern::server {
namespace {

TEST(TransferLedger, Sent_CountsWhatWasSentBefore) {
  TransferLedger ledger;
  EXPECT_EQ(ledger.Sent("a", 0, 100), 0);
  EXPECT_EQ(ledger.Sent("a", 100, 200), 0);
  EXPECT_EQ(ledger.Sent("a", 0, 100), 100);
  EXPECT_EQ(ledger.Sent("a", 150, 300), 50);
  EXPECT_EQ(ledger.Sent("b", 0, 100), 0);
}

TEST(TransferLedger, Received_OfALeaseWhoseModelWasSent_CountsWhatWasReceivedBefore) {
  TransferLedger ledger;
  ledger.Sent("a", 0, 100);
  EXPECT_EQ(ledger.Received("a", 0, 40), 0);
  EXPECT_EQ(ledger.Received("a", 0, 60), 40);
  EXPECT_EQ(ledger.Sent("a", 100, 120), 0);
}

TEST(TransferLedger, Received_OfAnUnknownLease_RemembersNothing) {
  TransferLedger ledger;
  EXPECT_EQ(ledger.Received("anything", 0, 40), 0);
  EXPECT_EQ(ledger.Received("anything", 0, 40), 0);
}

}  // namespace
}  // namespace tern::server
