// A directory for one test, gone when the test is.
#ifndef TERN_TESTS_TESTING_TEMPORARY_DIRECTORY_H_
#define TERN_TESTS_TESTING_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/base/check.h"

namespace tern::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_((std::filesystem::temp_directory_path() / "tern-test-XXXXXX").string()) {
    TERN_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // The path of `name` in it.
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tern::testing

#endif  // TERN_TESTS_TESTING_TEMPORARY_DIRECTORY_H_
