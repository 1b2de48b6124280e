// Little-endian bytes by construction: what Tern writes reads the same on every machine.
//
// A writer appends to a string; a reader consumes a view and never reads past its end. Reader calls
// return DATA_LOSS ("truncated") when too few bytes are left; nothing is consumed then.
#ifndef TERN_CORE_BASE_BYTES_H_
#define TERN_CORE_BASE_BYTES_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tern {

static_assert(std::endian::native == std::endian::little,
              "Tern copies floats as they lie in memory; a big-endian port must swap here");

class ByteWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit ByteWriter(std::string* out) : out_(out) {}

  template <typename T>
  void Write(T value) {
    static_assert(std::is_arithmetic_v<T>);
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_->append(bytes, sizeof(T));
  }

  void WriteBytes(absl::string_view bytes) { out_->append(bytes.data(), bytes.size()); }

  void WriteFloats(absl::Span<const float> values) {
    out_->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }

  // Appends `size` bytes and returns where they start, for the caller to fill before the next
  // append.
  char* Extend(size_t size) {
    out_->resize(out_->size() + size);
    return out_->data() + out_->size() - size;
  }

  // Removes the last `size` bytes: those of an Extend that were not needed.
  void TakeBack(size_t size) { out_->resize(out_->size() - size); }

  size_t size() const { return out_->size(); }

 private:
  std::string* out_;
};

class ByteReader {
 public:
  // Reads from `bytes`, which must outlive the reader.
  explicit ByteReader(absl::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  absl::StatusOr<T> Read() {
    static_assert(std::is_arithmetic_v<T>);
    if (bytes_.size() < sizeof(T)) return Truncated(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

  absl::StatusOr<absl::string_view> ReadBytes(size_t size) {
    if (bytes_.size() < size) return Truncated(size);
    absl::string_view result = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return result;
  }

  size_t remaining() const { return bytes_.size(); }

 private:
  absl::Status Truncated(size_t wanted) const {
    return absl::DataLossError(
        absl::StrCat("truncated: expected ", wanted, " more bytes, have ", bytes_.size()));
  }

  absl::string_view bytes_;
};

}  // namespace tern

#endif  // TERN_CORE_BASE_BYTES_H_
