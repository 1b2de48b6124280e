#include "core/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/base/random.h"
#include "tests/core/data/idx_files.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class IdxTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Dataset>> Read(const std::string& images,
                                                const std::string& labels,
                                                int64_t num_classes = 10) {
    return ReadIdxDataset(WriteFile(directory_, "images", images),
                          WriteFile(directory_, "labels", labels), num_classes);
  }

  testing::TemporaryDirectory directory_;
};

void ExpectIsTheTestSet(const Dataset& dataset) {
  EXPECT_EQ(dataset.size(), 3);
  EXPECT_EQ(dataset.num_classes(), 10);
  EXPECT_THAT(dataset.example_shape(), ElementsAre(1, 10, 20));
  const int32_t indices[] = {2, 0, 2};
  std::vector<float> inputs(3 * 200, -1.0f);
  std::vector<int32_t> labels(3, -1);
  dataset.Gather(indices, absl::MakeSpan(inputs), absl::MakeSpan(labels));
  EXPECT_THAT(labels, ElementsAre(0, 7, 0));
  for (size_t i = 0; i < 200; ++i) {
    // Division, exactly: a product with 1/255 differs in the last bit of some values.
    ASSERT_EQ(inputs[i], static_cast<float>((400 + i) % 256) / 255.0f);
    ASSERT_EQ(inputs[200 + i], static_cast<float>(i % 256) / 255.0f);
    ASSERT_EQ(inputs[400 + i], inputs[i]);
  }
}

TEST_F(IdxTest, PlainFiles_GiveExamplesAndLabels) {
  const auto dataset = Read(IdxImages(3, 10, 20), IdxLabels({7, 9, 0}));
  ASSERT_THAT(dataset, IsOk());
  ExpectIsTheTestSet(**dataset);
}

TEST_F(IdxTest, GzipFiles_GiveTheSame) {
  const auto dataset = Read(Gzip(IdxImages(3, 10, 20)), Gzip(IdxLabels({7, 9, 0})));
  ASSERT_THAT(dataset, IsOk());
  ExpectIsTheTestSet(**dataset);
}

TEST_F(IdxTest, MissingFile_IsNotFoundAndNamesIt) {
  const std::string labels = WriteFile(directory_, "labels", IdxLabels({1}));
  EXPECT_THAT(ReadIdxDataset(directory_.path() + "/absent", labels, 10),
              StatusIs(absl::StatusCode::kNotFound, "/absent: cannot open"));
  const std::string images = WriteFile(directory_, "images", IdxImages(1, 2, 2));
  EXPECT_THAT(ReadIdxDataset(images, directory_.path() + "/absent", 10),
              StatusIs(absl::StatusCode::kNotFound, "/absent: cannot open"));
}

TEST_F(IdxTest, Directory_IsAnErrorThatNamesIt) {
  const std::string labels = WriteFile(directory_, "labels", IdxLabels({1}));
  EXPECT_THAT(ReadIdxDataset(directory_.path(), labels, 10),
              StatusIs(kDataLoss, directory_.path() + ": cannot read or decompress"));
}

TEST_F(IdxTest, WrongMagic_ShowsBothValues) {
  EXPECT_THAT(
      Read(IdxLabels({1, 2, 3, 4, 5, 6, 7, 8}), IdxLabels({1})),
      StatusIs(kInvalid, "images: magic is 0x00000801, expected 0x00000803 for IDX images"));
  EXPECT_THAT(
      Read(IdxImages(1, 2, 2), IdxImages(1, 2, 2)),
      StatusIs(kInvalid, "labels: magic is 0x00000803, expected 0x00000801 for IDX labels"));
}

TEST_F(IdxTest, EveryShorterPlainFile_IsTruncated) {
  const std::string images = IdxImages(2, 3, 4);
  const std::string labels = IdxLabels({1, 2});
  for (size_t size = 0; size < images.size(); ++size) {
    ASSERT_THAT(Read(images.substr(0, size), labels), StatusIs(kDataLoss, "images: truncated"));
  }
  for (size_t size = 0; size < labels.size(); ++size) {
    ASSERT_THAT(Read(images, labels.substr(0, size)), StatusIs(kDataLoss, "labels: truncated"));
  }
  EXPECT_THAT(Read(images.substr(0, images.size() - 5), labels),
              StatusIs(kDataLoss, "truncated: 19 bytes after the header, expected 24"));
  EXPECT_THAT(Read(images.substr(0, 6), labels),
              StatusIs(kDataLoss, "truncated: number of images has 2 bytes, expected 4"));
}

TEST_F(IdxTest, EveryShorterGzipFile_IsAnError) {
  const std::string images = Gzip(IdxImages(2, 3, 4));
  for (size_t size = 0; size < images.size(); ++size) {
    ASSERT_FALSE(Read(images.substr(0, size), IdxLabels({1, 2})).ok()) << size;
  }
  EXPECT_THAT(Read(images.substr(0, images.size() - 8), IdxLabels({1, 2})),
              StatusIs(kDataLoss, "images: cannot read or decompress: "));
}

TEST_F(IdxTest, DamagedGzipChecksum_IsDataLoss) {
  std::string images = Gzip(IdxImages(2, 3, 4));
  images[images.size() - 6] ^= 1;
  EXPECT_THAT(Read(images, IdxLabels({1, 2})),
              StatusIs(kDataLoss, "images: cannot read or decompress: "));
}

TEST_F(IdxTest, TrailingBytes_AreDataLoss) {
  EXPECT_THAT(Read(IdxImages(2, 3, 4) + "x", IdxLabels({1, 2})),
              StatusIs(kDataLoss, "images: trailing bytes: expected the end after 24 bytes"));
  EXPECT_THAT(Read(IdxImages(2, 3, 4), Gzip(IdxLabels({1, 2}) + "x")),
              StatusIs(kDataLoss, "labels: trailing bytes: expected the end after 2 bytes"));
}

TEST_F(IdxTest, CountsThatDiffer_NameBothFilesAndCounts) {
  const auto result = Read(IdxImages(2, 3, 4), IdxLabels({1, 2, 3}));
  EXPECT_THAT(result, StatusIs(kInvalid, "images has 2 images but "));
  EXPECT_THAT(result, StatusIs(kInvalid, "labels has 3 labels, expected as many"));
}

TEST_F(IdxTest, LabelOutOfRange_IsNamedByItsIndex) {
  EXPECT_THAT(Read(IdxImages(3, 2, 2), IdxLabels({1, 5, 2}), 5),
              StatusIs(kInvalid, "labels: label 1 is 5, expected 0 to 4"));
}

std::string Header(uint32_t count, uint32_t rows, uint32_t columns) {
  return IdxImages(0, 0, 0).substr(0, 4) + BigEndian(count) + BigEndian(rows) + BigEndian(columns);
}

TEST_F(IdxTest, DimensionsOutOfRange_NameFieldAndRange) {
  const std::string labels = IdxLabels({1});
  EXPECT_THAT(Read(Header(0, 2, 2), labels),
              StatusIs(kInvalid, "number of images is 0, expected 1 to 2147483647"));
  EXPECT_THAT(Read(Header(0x80000000, 2, 2), labels),
              StatusIs(kInvalid, "number of images is 2147483648, expected 1 to 2147483647"));
  EXPECT_THAT(Read(Header(1, 0, 2), labels), StatusIs(kInvalid, "rows is 0, expected 1 to 4096"));
  EXPECT_THAT(Read(Header(1, 2, 4097), labels),
              StatusIs(kInvalid, "columns is 4097, expected 1 to 4096"));
  EXPECT_THAT(Read(Header(1 << 20, 4096, 4096), labels),
              StatusIs(kInvalid,
                       "1048576 images of 4096 x 4096 are 17592186044416 bytes, expected "
                       "at most 4294967296"));
}

// 4 GiB of images are announced, and as many labels as they need; a few bytes come.
TEST_F(IdxTest, HeaderThatLiesAboutItsSize_AllocatesNothingLikeIt) {
  const auto peak_kib = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const std::string images = Header(256, 4096, 4096) + "few";
  const std::string labels = IdxLabels(std::vector<int>(256, 1));
  const auto before = peak_kib();
  EXPECT_THAT(Read(images, labels),
              StatusIs(kDataLoss, "truncated: 3 bytes after the header, expected 4294967296"));
  EXPECT_LT(peak_kib() - before, 64 * 1024);
}

// Whatever the bytes are, reading ends with a status or with a dataset that can be read.
TEST_F(IdxTest, MutatedFiles_AreRefusedOrReadable) {
  RandomStream random({.seed = 30});
  const std::string labels = IdxLabels({1, 2, 3});
  const std::string plain = IdxImages(3, 4, 5);
  const std::string gzip = Gzip(plain);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string images = i % 2 == 0 ? plain : gzip;
    const uint32_t changes = 1 + random.Below(3);
    for (uint32_t change = 0; change < changes; ++change) {
      images[random.Below(static_cast<uint32_t>(images.size()))] =
          static_cast<char>(random.Next32());
    }
    const auto dataset = Read(images, labels);
    if (!dataset.ok()) {
      ++refused;
      continue;
    }
    ASSERT_EQ((*dataset)->size(), 3);
    const auto size = static_cast<size_t>(NumElements((*dataset)->example_shape()));
    std::vector<float> inputs(size);
    int32_t label = -1;
    const int32_t index = 2;
    (*dataset)->Gather({&index, 1}, absl::MakeSpan(inputs), {&label, 1});
    ASSERT_EQ(label, 3);
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace tern
