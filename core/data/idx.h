// IDX files (the format of MNIST and its successors), plain or gzip-compressed: images of unsigned
// bytes and their labels.
#ifndef TERN_CORE_DATA_IDX_H_
#define TERN_CORE_DATA_IDX_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"

namespace tern {

// Reads a pair of files into a dataset of shape {1, rows, columns} with values byte / 255; bytes
// stay bytes in memory. NOT_FOUND: a file is missing. DATA_LOSS: truncated, trailing or damaged
// bytes. INVALID_ARGUMENT: bad magic or dimensions, counts of images and labels that differ, a
// label
// >= num_classes. Messages name the file, the field, what it is and what was expected.
absl::StatusOr<std::unique_ptr<Dataset>> ReadIdxDataset(const std::string& images_path,
                                                        const std::string& labels_path,
                                                        int64_t num_classes);

}  // namespace tern

#endif  // TERN_CORE_DATA_IDX_H_
