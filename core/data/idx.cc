#include "core/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"

namespace tern {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, three dimensions
constexpr uint32_t kLabelsMagic = 0x00000801;  // unsigned bytes, one dimension
constexpr int64_t kMaxExamples = (int64_t{1} << 31) - 1;
constexpr int64_t kMaxSide = 4096;
constexpr int64_t kMaxImageBytes = int64_t{1} << 32;
constexpr int64_t kFirstChunk = int64_t{1} << 20;

// A file that zlib reads, compressed or not.
class GzipFile {
 public:
  static absl::StatusOr<GzipFile> Open(const std::string& path) {
    errno = 0;
    GzipFile file(path, gzopen(path.c_str(), "rb"));
    if (file.file_ != nullptr) {
      gzbuffer(file.file_.get(), 1 << 18);
      return file;
    }
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  }

  // Up to `size` bytes into `out`; fewer only at the end of the file.
  absl::StatusOr<int64_t> Read(char* out, int64_t size) {
    const size_t got = gzfread(out, 1, static_cast<size_t>(size), file_.get());
    int code = Z_OK;
    const char* reason = gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return static_cast<int64_t>(got);
    if (code == Z_ERRNO) reason = std::strerror(errno);
    return absl::DataLossError(absl::StrCat(path_, ": cannot read or decompress: ", reason));
  }

  absl::StatusOr<uint32_t> ReadBigEndian(absl::string_view field) {
    unsigned char bytes[4];
    TERN_ASSIGN_OR_RETURN(const int64_t got, Read(reinterpret_cast<char*>(bytes), 4));
    if (got == 4) {
      return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 |
             uint32_t{bytes[3]};
    }
    return absl::DataLossError(
        absl::StrCat(path_, ": truncated: ", field, " has ", got, " bytes, expected 4"));
  }

  absl::Status ExpectMagic(uint32_t expected, absl::string_view content) {
    TERN_ASSIGN_OR_RETURN(const uint32_t magic, ReadBigEndian("magic"));
    if (magic == expected) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: magic is 0x%08x, expected 0x%08x for IDX %s", path_, magic, expected,
                        std::string(content)));
  }

  absl::StatusOr<int64_t> ReadDimension(absl::string_view field, int64_t maximum) {
    TERN_ASSIGN_OR_RETURN(const uint32_t value, ReadBigEndian(field));
    if (value >= 1 && value <= maximum) return static_cast<int64_t>(value);
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": ", field, " is ", value, ", expected 1 to ", maximum));
  }

  // The rest of the file, which must be `size` bytes. Memory grows with what arrives, never ahead
  // of it by more than twice: a header that lies about its size allocates nothing.
  absl::StatusOr<std::vector<uint8_t>> ReadRest(int64_t size) {
    std::vector<uint8_t> bytes;
    int64_t filled = 0;
    while (filled < size) {
      const int64_t chunk = std::min(size - filled, std::max(kFirstChunk, filled));
      bytes.reserve(static_cast<size_t>(filled + chunk));
      bytes.resize(static_cast<size_t>(filled + chunk));
      TERN_ASSIGN_OR_RETURN(const int64_t got,
                            Read(reinterpret_cast<char*>(bytes.data()) + filled, chunk));
      filled += got;
      if (got == chunk) continue;
      return absl::DataLossError(
          absl::StrCat(path_, ": truncated: ", filled, " bytes after the header, expected ", size));
    }
    char extra;
    TERN_ASSIGN_OR_RETURN(const int64_t got, Read(&extra, 1));
    if (got == 0) return bytes;
    return absl::DataLossError(
        absl::StrCat(path_, ": trailing bytes: expected the end after ", size, " bytes of data"));
  }

  const std::string& path() const { return path_; }

 private:
  struct Closer {
    void operator()(gzFile_s* file) const { gzclose_r(file); }
  };

  GzipFile(std::string path, gzFile file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<gzFile_s, Closer> file_;
};

constexpr std::array<float, 256> MakeByteValues() {
  std::array<float, 256> values{};
  for (size_t byte = 0; byte < values.size(); ++byte) {
    values[byte] = static_cast<float>(byte) / 255.0f;
  }
  return values;
}

constexpr std::array<float, 256> kByteValues = MakeByteValues();

class IdxDataset final : public Dataset {
 public:
  IdxDataset(Shape example_shape, std::vector<uint8_t> images, std::vector<uint8_t> labels,
             int64_t num_classes)
      : example_shape_(std::move(example_shape)),
        images_(std::move(images)),
        labels_(std::move(labels)),
        num_classes_(num_classes) {}

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const Shape& example_shape() const override { return example_shape_; }
  int64_t num_classes() const override { return num_classes_; }
  int32_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }

  void Gather(absl::Span<const int32_t> indices, absl::Span<float> inputs,
              absl::Span<int32_t> labels) const override {
    const auto example_size = static_cast<size_t>(NumElements(example_shape_));
    float* out = inputs.data();
    for (size_t i = 0; i < indices.size(); ++i, out += example_size) {
      const auto index = static_cast<size_t>(indices[i]);
      const uint8_t* image = images_.data() + index * example_size;
      for (size_t j = 0; j < example_size; ++j) out[j] = kByteValues[image[j]];
      labels[i] = labels_[index];
    }
  }

 private:
  const Shape example_shape_;
  const std::vector<uint8_t> images_;
  const std::vector<uint8_t> labels_;
  const int64_t num_classes_;
};

absl::StatusOr<std::vector<uint8_t>> ReadLabels(const std::string& path, int64_t num_classes) {
  TERN_ASSIGN_OR_RETURN(GzipFile file, GzipFile::Open(path));
  TERN_RETURN_IF_ERROR(file.ExpectMagic(kLabelsMagic, "labels"));
  TERN_ASSIGN_OR_RETURN(const int64_t count, file.ReadDimension("number of labels", kMaxExamples));
  TERN_ASSIGN_OR_RETURN(std::vector<uint8_t> labels, file.ReadRest(count));
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < num_classes) continue;
    return absl::InvalidArgumentError(absl::StrCat(path, ": label ", i, " is ", int{labels[i]},
                                                   ", expected 0 to ", num_classes - 1));
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> ReadIdxDataset(const std::string& images_path,
                                                        const std::string& labels_path,
                                                        int64_t num_classes) {
  TERN_ASSIGN_OR_RETURN(GzipFile file, GzipFile::Open(images_path));
  TERN_RETURN_IF_ERROR(file.ExpectMagic(kImagesMagic, "images"));
  TERN_ASSIGN_OR_RETURN(const int64_t count, file.ReadDimension("number of images", kMaxExamples));
  TERN_ASSIGN_OR_RETURN(const int64_t rows, file.ReadDimension("rows", kMaxSide));
  TERN_ASSIGN_OR_RETURN(const int64_t columns, file.ReadDimension("columns", kMaxSide));
  const int64_t bytes = count * rows * columns;
  if (bytes > kMaxImageBytes) {
    return absl::InvalidArgumentError(absl::StrCat(images_path, ": ", count, " images of ", rows,
                                                   " x ", columns, " are ", bytes,
                                                   " bytes, expected at most ", kMaxImageBytes));
  }
  // Labels first: they are small, and a pair that does not match is refused before the large read.
  TERN_ASSIGN_OR_RETURN(std::vector<uint8_t> labels, ReadLabels(labels_path, num_classes));
  if (static_cast<int64_t>(labels.size()) != count) {
    return absl::InvalidArgumentError(absl::StrCat(images_path, " has ", count, " images but ",
                                                   labels_path, " has ", labels.size(),
                                                   " labels, expected as many"));
  }
  TERN_ASSIGN_OR_RETURN(std::vector<uint8_t> images, file.ReadRest(bytes));
  return std::make_unique<IdxDataset>(Shape{1, rows, columns}, std::move(images), std::move(labels),
                                      num_classes);
}

}  // namespace tern
