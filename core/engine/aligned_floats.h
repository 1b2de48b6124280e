// A buffer of floats at 64-byte alignment: what an arena or a batch lies in.
#ifndef TERN_CORE_ENGINE_ALIGNED_FLOATS_H_
#define TERN_CORE_ENGINE_ALIGNED_FLOATS_H_

#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace tern {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  AlignedFloats(AlignedFloats&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // Not initialised. RESOURCE_EXHAUSTED: there is not that much memory.
  static absl::StatusOr<AlignedFloats> Allocate(int64_t size) {
    AlignedFloats result;
    if (size <= kMaxFloats) {
      result.data_.reset(static_cast<float*>(
          ::operator new(static_cast<size_t>(size) * sizeof(float), kAlignment, std::nothrow)));
    }
    if (result.data_ == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot allocate ", size, " floats of working memory"));
    }
    result.size_ = size;
    return result;
  }

  int64_t size() const { return size_; }
  absl::Span<float> span() { return {data_.get(), static_cast<size_t>(size_)}; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static constexpr int64_t kMaxFloats = int64_t{1} << 60;

  struct Free {
    void operator()(float* data) const { ::operator delete(data, kAlignment); }
  };

  std::unique_ptr<float, Free> data_;
  int64_t size_ = 0;
};

}  // namespace tern

#endif  // TERN_CORE_ENGINE_ALIGNED_FLOATS_H_
