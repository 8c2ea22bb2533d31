# What makes building quick: ccache, the mold linker, no more compilers at once than memory holds, and one precompiled
# header for the rooms that include LibTorch.

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

# lora_precompiled_torch(TARGET): TARGET uses the shared precompiled LibTorch header, made once in this build tree.
# ATen alone compiles in 6 s a file, with the header in 1 s; the header itself costs 13 s and 400 MB.
function(lora_precompiled_torch target)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return() # clang checks the header's time stamps, which defeats ccache
  endif()
  if(NOT TARGET lora_torch_header)
    file(WRITE "${CMAKE_BINARY_DIR}/torch_header.cpp.new" "// Only carries the precompiled header.\n")
    file(COPY_FILE "${CMAKE_BINARY_DIR}/torch_header.cpp.new" "${CMAKE_BINARY_DIR}/torch_header.cpp" ONLY_IF_DIFFERENT)
    add_library(lora_torch_header OBJECT "${CMAKE_BINARY_DIR}/torch_header.cpp")
    target_link_libraries(lora_torch_header PRIVATE LibTorch::LibTorch)
    target_compile_options(lora_torch_header PRIVATE -fpch-preprocess)
    target_precompile_headers(lora_torch_header PRIVATE <ATen/ATen.h> <torch/csrc/autograd/custom_function.h>)
  endif()
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM lora_torch_header)
endfunction()
