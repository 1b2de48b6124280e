#include "tests/testing/certificates.h"

#include <gtest/gtest.h>

#include "tests/testing/process.h"

namespace tern::testing {

void MakeCertificates(const std::string& directory, const std::vector<std::string>& client_ids) {
  std::vector<std::string> command = {
      TERN_SOURCE_DIRECTORY "/deploy/certificates/make-test-certificates", directory};
  command.insert(command.end(), client_ids.begin(), client_ids.end());
  const Finished finished = RunToEnd(command);
  ASSERT_EQ(finished.exit, ExitStatus{.code = 0}) << finished.output;
}

}  // namespace tern::testing
