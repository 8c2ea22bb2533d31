# Third-party parts: Debian's packages found by name, and the pinned pieces under LORA_DEPS built here as targets.
# Nothing of them is copied into the repository.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
add_library(xxhash ALIAS PkgConfig::XXHASH)
# Headers only: JSON Schema.
find_path(VALIJSON_INCLUDE valijson/validator.hpp REQUIRED)
add_library(valijson INTERFACE)
target_include_directories(valijson SYSTEM INTERFACE "${VALIJSON_INCLUDE}")
target_compile_definitions(valijson INTERFACE VALIJSON_USE_EXCEPTIONS=1) # it would end the program otherwise
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # g++ 12 warns of its own std::string in what Valijson inlines
  set_source_files_properties(src/eval/json_schema.cpp PROPERTIES COMPILE_OPTIONS -Wno-restrict)
endif()
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
if(LORA_WITH_TORCH)
  pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
endif()

# An allocator that hands freed tensors back to the system sooner than glibc's. Sanitizers bring their own.
find_library(TCMALLOC_MINIMAL tcmalloc_minimal)
if(TCMALLOC_MINIMAL AND NOT LORA_SANITIZE)
  add_library(tcmalloc INTERFACE)
  # Nothing calls it by name, so the linker has to be told to keep it.
  target_link_libraries(tcmalloc INTERFACE "-Wl,--push-state,--no-as-needed,${TCMALLOC_MINIMAL},--pop-state")
endif()

# cpp-httplib out of the same sdist, with OpenSSL: what `lora pull` reaches a hub through. No decompression.
set(httplib_folder "${LORA_DEPS}/llama.cpp/vendor/cpp-httplib")
if(NOT EXISTS "${httplib_folder}/httplib.cpp")
  message(FATAL_ERROR "No cpp-httplib at ${httplib_folder}. Run ./setup again: the pinned sdist is missing or torn.")
endif()
add_library(httplib STATIC "${httplib_folder}/httplib.cpp")
target_include_directories(httplib SYSTEM PUBLIC "${httplib_folder}")
target_compile_definitions(httplib PUBLIC CPPHTTPLIB_OPENSSL_SUPPORT)
target_compile_options(httplib PRIVATE -w -O1) # it waits for the network; to optimize it takes a minute
target_link_libraries(httplib PUBLIC OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
