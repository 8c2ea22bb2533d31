# Third-party parts: Debian's packages found by name, and the pinned pieces under LORA_DEPS built here as targets.
# Nothing of them is copied into the repository.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
add_library(xxhash ALIAS PkgConfig::XXHASH)
if(LORA_WITH_TORCH)
  find_package(CLI11 REQUIRED)
  find_package(tomlplusplus REQUIRED)
  pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
endif()

# llama.cpp's Jinja engine: chat templates are rendered by it. value.cpp needs its JSON wrapper (json.cpp) to compile,
# and that wants ggml.h and ggml_abort() for its assertions; cmake/ggml_abort.cpp stands in for the rest of ggml.
# The sdist's own nlohmann stays private: the rooms use Debian's. NDEBUG: the engine's asserts can be reached from a
# template, and the exceptions behind them are what a user should see.
set(llama_common "${LORA_DEPS}/llama.cpp/common")
if(NOT EXISTS "${llama_common}/jinja/runtime.cpp")
  message(FATAL_ERROR "No chat template engine at ${llama_common}/jinja. Run ./setup again: the pinned sdist is missing or torn.")
endif()
add_library(jinja STATIC
  "${llama_common}/jinja/lexer.cpp" "${llama_common}/jinja/parser.cpp" "${llama_common}/jinja/runtime.cpp"
  "${llama_common}/jinja/string.cpp" "${llama_common}/jinja/value.cpp" "${llama_common}/jinja/caps.cpp"
  "${llama_common}/unicode.cpp" "${llama_common}/json.cpp" "${CMAKE_SOURCE_DIR}/cmake/ggml_abort.cpp")
target_include_directories(jinja SYSTEM PUBLIC "${llama_common}")
target_include_directories(jinja SYSTEM PRIVATE "${LORA_DEPS}/llama.cpp/vendor" "${LORA_DEPS}/llama.cpp/ggml/include")
target_compile_definitions(jinja PRIVATE NDEBUG)
target_compile_options(jinja PRIVATE -w)

# An allocator that hands freed tensors back to the system sooner than glibc's. Sanitizers bring their own.
find_library(TCMALLOC_MINIMAL tcmalloc_minimal)
if(TCMALLOC_MINIMAL AND NOT LORA_SANITIZE)
  add_library(tcmalloc INTERFACE)
  # Nothing calls it by name, so the linker has to be told to keep it.
  target_link_libraries(tcmalloc INTERFACE "-Wl,--push-state,--no-as-needed,${TCMALLOC_MINIMAL},--pop-state")
endif()
