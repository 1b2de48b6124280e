#include "core/base/host_port.h"

#include "gtest/gtest.h"

namespace tern {
namespace {

TEST(IsHostPort, AcceptsNamesAndAddresses) {
  for (const char* text : {"fl.example.org:9092", "127.0.0.1:1", "[::1]:65535"}) {
    EXPECT_TRUE(IsHostPort(text, 1)) << text;
  }
}

TEST(IsHostPort, PortZero_IsForListenersOnly) {
  EXPECT_TRUE(IsHostPort("0.0.0.0:0", 0));
  EXPECT_FALSE(IsHostPort("0.0.0.0:0", 1));
}

TEST(IsHostPort, RefusesWhatHasNoHostOrNoPort) {
  for (const char* text :
       {"", ":", ":9092", "9092", "host", "host:", "host:x", "host:65536", "host:-1", "o'clock"}) {
    EXPECT_FALSE(IsHostPort(text, 0)) << text;
  }
}

}  // namespace
}  // namespace tern
