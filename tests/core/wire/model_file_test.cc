#include "core/wire/model_file.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/model/parameter_layout.h"
#include "tests/core/wire/example_messages.h"
#include "tests/testing/temporary_directory.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ModelFileTest : public ::testing::Test {
 protected:
  ModelFileTest() {
    path_ = directory_.File("model.tern");
    model_ = {.spec = ExampleModelSpec(), .version = 12};
    model_.parameters = InitialParameters(*MakeParameterLayout(model_.spec), 5);
  }

  std::string Contents() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void SetContents(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  void ExpectRefused(absl::StatusCode code, const std::string& message) const {
    const absl::Status status = ReadModelFile(path_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(path_));
    EXPECT_THAT(status.message(), HasSubstr(message));
  }

  const testing::TemporaryDirectory directory_;
  std::string path_;
  ModelFile model_;
};

TEST_F(ModelFileTest, Read_WhatWasWritten_IsEqual) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  const absl::StatusOr<ModelFile> read = ReadModelFile(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->spec, model_.spec);
  EXPECT_EQ(read->version, 12u);
  EXPECT_EQ(read->parameters, model_.parameters);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
}

TEST_F(ModelFileTest, Write_OverAnotherFile_ReplacesIt) {
  SetContents("something old");
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  EXPECT_TRUE(ReadModelFile(path_).ok());
}

// Stored: the first bytes never change their meaning.
TEST_F(ModelFileTest, Write_BeginsWithMagicVersionAndLength) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  const std::string bytes = Contents();
  EXPECT_EQ(bytes.substr(0, 12), std::string("TERNMODL\x01\0\0\0", 12));
  const size_t spec_bytes = static_cast<unsigned char>(bytes[12]);
  EXPECT_EQ(bytes.substr(13, 3), std::string(3, '\0'));
  EXPECT_EQ(bytes.substr(16 + spec_bytes, 4), "TRN\x02");
  EXPECT_EQ(bytes.size(), 16 + spec_bytes + 16 + 4 * model_.parameters.size());
}

TEST_F(ModelFileTest, Write_WrongNumberOfParameters_IsInvalidArgument) {
  model_.parameters.pop_back();
  const absl::Status status = WriteModelFile(path_, model_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("got ", model_.parameters.size())));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ModelFileTest, Write_ParameterThatIsNotFinite_IsInvalidArgument) {
  model_.parameters[3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(WriteModelFile(path_, model_).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelFileTest, Write_IntoADirectoryThatIsNotThere_NamesThePath) {
  const std::string path = directory_.File("none/model.tern");
  const absl::Status status = WriteModelFile(path, model_);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), StartsWith(path));
}

TEST_F(ModelFileTest, Write_OverADirectory_FailsAndLeavesNoTemporaryFile) {
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(WriteModelFile(path_, model_).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
}

TEST_F(ModelFileTest, Read_NoFile_IsNotFound) {
  ExpectRefused(absl::StatusCode::kNotFound, "No such file");
}

TEST_F(ModelFileTest, Read_OtherKindOfFile_IsInvalidArgument) {
  SetContents("seed: 1\ntask: {name: quickstart}\n");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "not a Tern model");
}

TEST_F(ModelFileTest, Read_NewerFormat_NamesBothVersions) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  std::string bytes = Contents();
  bytes[8] = 2;
  SetContents(bytes);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "format version is 2, this program reads 1");
}

TEST_F(ModelFileTest, Read_HugeStructureLength_IsRefusedBeforeItIsAllocated) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  std::string bytes = Contents();
  bytes[15] = '\x7F';
  SetContents(bytes);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "the structure's length is");
}

TEST_F(ModelFileTest, Read_StructureThatIsNoModel_NamesTheLayer) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  std::string bytes = Contents();
  const size_t name = bytes.find("relu1");
  bytes.replace(name, 5, "conv1");  // two layers of one name
  SetContents(bytes);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "layer 'conv1'");
}

TEST_F(ModelFileTest, Read_ScaleByAFactorThatIsNotFinite_NamesTheLayer) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  std::string bytes = Contents();
  const std::string two("\x00\x00\x00\x40", 4);
  const std::string infinity("\x00\x00\x80\x7F", 4);
  bytes.replace(bytes.find(two, bytes.find("scale1")), 4, infinity);
  SetContents(bytes);
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "layer 'scale1': factor is inf, expected finite and not 0");
}

TEST_F(ModelFileTest, Read_EveryTruncation_IsDataLoss) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  const std::string bytes = Contents();
  for (size_t size = 0; size < bytes.size(); size += 7) {
    SetContents(bytes.substr(0, size));
    EXPECT_EQ(ReadModelFile(path_).status().code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST_F(ModelFileTest, Read_TrailingBytes_IsDataLoss) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  SetContents(Contents() + "x");
  ExpectRefused(absl::StatusCode::kDataLoss, "trailing bytes");
}

TEST_F(ModelFileTest, Read_FlippedParameterBit_IsDataLoss) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  std::string bytes = Contents();
  bytes.back() ^= 0x01;
  SetContents(bytes);
  ExpectRefused(absl::StatusCode::kDataLoss, "checksum");
}

TEST_F(ModelFileTest, Read_AnyChangedBytes_NeverCrashes) {
  ASSERT_TRUE(WriteModelFile(path_, model_).ok());
  const std::string original = Contents();
  const google::protobuf::LogSilencer silencer;  // of complaints about strings that are not text
  RandomStream random({.seed = 3});
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = original;
    bytes[random.Below(400)] = static_cast<char>(random.Next32());
    SetContents(bytes);
    const absl::StatusOr<ModelFile> read = ReadModelFile(path_);
    if (read.ok()) {
      EXPECT_EQ(read->parameters, model_.parameters);
    }
  }
}

}  // namespace
}  // namespace tern
