# Files as part of a program: what it needs at run time and must not lose on the way.

# tern_embed(TARGET NAMESPACE namespace FUNCTION name FILES files...): adds to TARGET the function
#   absl::Span<const tern::EmbeddedFile> namespace::name()
# which returns one EmbeddedFile (core/base/embedded_file.h) for each file, in the order given, each under its
# name without the directory. TARGET declares the function where it needs it, and links tern_base.
function(tern_embed target)
  cmake_parse_arguments(ARG "" "NAMESPACE;FUNCTION" "FILES" ${ARGN})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}_${ARG_FUNCTION}.cc)
  set(files "")
  foreach(file ${ARG_FILES})
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND files ${file})
  endforeach()
  set(script ${CMAKE_SOURCE_DIR}/deploy/cmake/write_embedded.cmake)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DNAMESPACE=${ARG_NAMESPACE} -DFUNCTION=${ARG_FUNCTION}
            -P ${script} -- ${files}
    DEPENDS ${files} ${script}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
