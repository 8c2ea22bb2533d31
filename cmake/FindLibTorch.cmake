# LibTorch out of a PyTorch wheel, without the wheel's own CMake package: that one demands a CUDA toolkit with the CUDA
# wheel. Looks in ${LORA_DEPS}/torch, or where -DLIBTORCH=DIR (a folder with include/ and lib/) says.
if(NOT DEFINED LIBTORCH)
  set(LIBTORCH "${LORA_DEPS}/torch")
endif()

# Looked for anew each time (NO_CACHE): ./setup may have chosen another LibTorch since.
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS "${LIBTORCH}/include" NO_CACHE NO_DEFAULT_PATH)
foreach(part c10 torch_cpu torch)
  find_library(LibTorch_${part}_LIBRARY ${part} PATHS "${LIBTORCH}/lib" NO_CACHE NO_DEFAULT_PATH)
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_c10_LIBRARY LibTorch_torch_cpu_LIBRARY LibTorch_torch_LIBRARY
  REASON_FAILURE_MESSAGE "Run ./setup, or give LIBTORCH=DIR with include/ and lib/.")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # The wheel carries another fmt than the one that we link with: ours is put before it.
  find_path(fmt_headers fmt/core.h NO_CACHE REQUIRED)
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/our_fmt")
  file(CREATE_LINK "${fmt_headers}/fmt" "${CMAKE_BINARY_DIR}/our_fmt/fmt" SYMBOLIC)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE "${CMAKE_BINARY_DIR}/our_fmt"
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE
    "${LibTorch_torch_LIBRARY}" "${LibTorch_torch_cpu_LIBRARY}" "${LibTorch_c10_LIBRARY}")
  # at::parallel_for is a template whose threads are OpenMP's: compiled without -fopenmp it runs on one thread, silently.
  # Linked is the wheel's own libgomp and no other, so that there is one team of threads in the process. clang would bring
  # its own run-time: there the kernels stay on one thread.
  file(GLOB LibTorch_gomp "${LIBTORCH}/lib/libgomp.so.1" "${LIBTORCH}/lib/libgomp-*.so.1")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND LibTorch_gomp)
    target_compile_options(LibTorch::LibTorch INTERFACE -fopenmp)
    target_link_libraries(LibTorch::LibTorch INTERFACE ${LibTorch_gomp})
  else()
    message(WARNING "The kernels of lora.cpp are built for one thread: that needs g++ and LibTorch's libgomp.")
  endif()

  file(GLOB LibTorch_RUNTIME "${LIBTORCH}/lib/libc10.so" "${LIBTORCH}/lib/libtorch_cpu.so" "${LIBTORCH}/lib/libtorch.so"
       "${LIBTORCH}/lib/libgomp*")
  if(EXISTS "${LIBTORCH}/lib/libtorch_cuda.so")
    # The CUDA wheel registers its kernels from a static initialiser, so the linker must keep the library; its own
    # dependencies come from other wheels and are resolved at run time.
    target_link_options(LibTorch::LibTorch INTERFACE -Wl,--allow-shlib-undefined)
    target_link_libraries(LibTorch::LibTorch INTERFACE
      -Wl,--no-as-needed "${LIBTORCH}/lib/libtorch_cuda.so" "${LIBTORCH}/lib/libc10_cuda.so" -Wl,--as-needed)
    # libtorch_cuda.so looks for NVIDIA's libraries in ../../nvidia, as wheels lie, and beside itself.
    file(GLOB cuda_runtime "${LIBTORCH}/lib/*cuda*.so*" "${LIBTORCH}/lib/libtorch_nvshmem.so" "${LIBTORCH}/../nvidia/*/lib/*.so*")
    list(APPEND LibTorch_RUNTIME ${cuda_runtime})
  endif()
endif()
