// A file that is part of the program: tern_embed (deploy/cmake/TernEmbed.cmake) makes a function
// that returns such files.
#ifndef TERN_CORE_BASE_EMBEDDED_FILE_H_
#define TERN_CORE_BASE_EMBEDDED_FILE_H_

#include "absl/strings/string_view.h"

namespace tern {

struct EmbeddedFile {
  absl::string_view name;      // without its directory
  absl::string_view contents;  // every byte; lives as long as the program
};

}  // namespace tern

#endif  // TERN_CORE_BASE_EMBEDDED_FILE_H_
