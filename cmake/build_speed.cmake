# What makes building quick: ccache, the mold linker, no more compilers at once than memory holds, precompiled headers, and tests
# that are hardly optimized.

find_program(CCACHE ccache)
if(CCACHE)
  # The sloppiness is what ccache asks for before it caches files that use a precompiled header. Paths count from the source
  # folder, so that one clone finds what another has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros"
      "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR};CCACHE_NOHASHDIR=1;${CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# A file that includes LibTorch takes up to 1.5 GB to compile.
cmake_host_system_information(RESULT memory_mb QUERY TOTAL_PHYSICAL_MEMORY)
math(EXPR compile_jobs "${memory_mb} / 1500")
if(compile_jobs LESS 1)
  set(compile_jobs 1)
endif()
set_property(GLOBAL PROPERTY JOB_POOLS compile=${compile_jobs})
set(CMAKE_JOB_POOL_COMPILE compile)

# lora_precompiled(TARGET [TORCH] [TEST]): TARGET uses one of the precompiled headers that targets of its kind share, made once
# in this build tree: a file that includes ATen is read in 20 s on a slow core, one that includes googletest and JSON in 3.
# Rooms without LibTorch go without: they would gain a tenth, and g++ 12 then warns of what is no fault.
# Only g++: clang checks the headers' time stamps, which defeats ccache.
function(lora_precompiled target)
  cmake_parse_arguments(OF "TORCH;TEST" "" "" ${ARGN})
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  set(carrier lora_header)
  set(headers)
  set(libraries)
  if(OF_TORCH)
    string(APPEND carrier _torch)
    list(APPEND headers <ATen/ATen.h> <torch/csrc/autograd/custom_function.h>)
    list(APPEND libraries LibTorch::LibTorch)
  endif()
  if(OF_TEST)
    string(APPEND carrier _test)
    list(APPEND headers <filesystem> <string> <vector> <fmt/format.h> <gtest/gtest.h> <nlohmann/json.hpp>)
    list(APPEND libraries fmt::fmt nlohmann_json::nlohmann_json GTest::gtest)
  endif()
  if(NOT TARGET ${carrier})
    file(WRITE "${CMAKE_BINARY_DIR}/${carrier}.cpp.new" "// Only carries the precompiled header.\n")
    file(COPY_FILE "${CMAKE_BINARY_DIR}/${carrier}.cpp.new" "${CMAKE_BINARY_DIR}/${carrier}.cpp" ONLY_IF_DIFFERENT)
    add_library(${carrier} OBJECT "${CMAKE_BINARY_DIR}/${carrier}.cpp")
    target_link_libraries(${carrier} PRIVATE ${libraries})
    target_compile_options(${carrier} PRIVATE -fpch-preprocess)
    target_precompile_headers(${carrier} PRIVATE ${headers})
    if(OF_TEST)
      lora_test_options(${carrier})
      # As programs are compiled, which tests are.
      set_target_properties(${carrier} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${carrier} PRIVATE -fPIE)
    endif()
  endif()
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM ${carrier})
endfunction()

# What tests themselves do takes no time, but to optimize it does.
function(lora_test_options target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()
