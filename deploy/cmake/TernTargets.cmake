# How every target of the project is made: one function per kind, so that flags stand in one place.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(hwy REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)

find_program(TERN_CCACHE ccache)
if(TERN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TERN_CCACHE})
endif()

add_library(tern_options INTERFACE)
target_include_directories(tern_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
# No contraction into fused multiply-adds: results must not depend on what the compiler fuses.
target_compile_options(tern_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -ffp-contract=off
  # Designated initializers that leave fields to their defaults are how options are passed here.
  -Wno-missing-field-initializers)
option(TERN_WERROR "Warnings are errors (preset dev)" OFF)
if(TERN_WERROR)
  target_compile_options(tern_options INTERFACE -Werror)
endif()
target_compile_definitions(tern_options INTERFACE TERN_VERSION="${PROJECT_VERSION}")
target_link_libraries(tern_options INTERFACE Threads::Threads)

# tern_library(NAME SOURCES... DEPS targets...)
function(tern_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE tern_options)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
endfunction()

# tern_binary(NAME SOURCES... DEPS targets...)
function(tern_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} tern_options)
endfunction()

# tern_test(NAME LABEL label SOURCES... DEPS targets...): one GoogleTest binary, one ctest of the same name.
function(tern_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  tern_binary(${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} GTest::gmock_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # Under the thread sanitizer, the system's gRPC, which is not instrumented, would give false races.
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=${CMAKE_SOURCE_DIR}/tests/testing/tsan.supp")
endfunction()
