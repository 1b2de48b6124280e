// IDX files made by tests.
#ifndef TERN_TESTS_CORE_DATA_IDX_FILES_H_
#define TERN_TESTS_CORE_DATA_IDX_FILES_H_

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/temporary_directory.h"

namespace tern {

inline std::string BigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

// Images whose bytes count up from 0, modulo 256.
inline std::string IdxImages(uint32_t count, uint32_t rows, uint32_t columns) {
  std::string bytes =
      absl::StrCat(BigEndian(0x803), BigEndian(count), BigEndian(rows), BigEndian(columns));
  for (uint32_t i = 0; i < count * rows * columns; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

inline std::string IdxLabels(const std::vector<int>& labels) {
  std::string bytes =
      absl::StrCat(BigEndian(0x801), BigEndian(static_cast<uint32_t>(labels.size())));
  for (const int label : labels) bytes.push_back(static_cast<char>(label));
  return bytes;
}

// Writes a file; returns its path.
inline std::string WriteFile(const testing::TemporaryDirectory& directory, const std::string& name,
                             const std::string& bytes) {
  std::string path = directory.File(name);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

inline std::string Gzip(const std::string& bytes) {
  const testing::TemporaryDirectory directory;
  const std::string path = directory.File("compressed");
  gzFile file = gzopen(path.c_str(), "wb");
  EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  EXPECT_EQ(gzclose(file), Z_OK);
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace tern

#endif  // TERN_TESTS_CORE_DATA_IDX_FILES_H_
