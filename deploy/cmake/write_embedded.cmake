# Writes OUTPUT, the C++ source with FUNCTION in NAMESPACE that tern_embed (TernEmbed.cmake) promises. The files
# to embed follow "--" on the command line.
cmake_minimum_required(VERSION 3.25)

set(files "")
set(after_dashes FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(after_dashes)
    list(APPEND files "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(after_dashes TRUE)
  endif()
endforeach()

# Each byte as an escape, 24 to a line: no byte has a meaning, and compilers read literals faster than arrays.
set(byte "[0-9a-f][0-9a-f]")
string(REPEAT "${byte}" 24 bytes_of_a_line)
set(table "")
foreach(file ${files})
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(${bytes_of_a_line})" "\\1\"\n     \"" hex "${hex}")
  string(REGEX REPLACE "(${byte})" "\\\\x\\1" hex "${hex}")
  file(SIZE "${file}" size)
  get_filename_component(name "${file}" NAME)
  string(APPEND table "    {\"${name}\",\n     absl::string_view(\"${hex}\", ${size})},\n")
endforeach()

file(WRITE "${OUTPUT}" "#include \"absl/types/span.h\"
#include \"core/base/embedded_file.h\"

namespace ${NAMESPACE} {

absl::Span<const tern::EmbeddedFile> ${FUNCTION}();

absl::Span<const tern::EmbeddedFile> ${FUNCTION}() {
  static constexpr tern::EmbeddedFile kFiles[] = {
${table}  };
  return kFiles;
}

}  // namespace ${NAMESPACE}
")
