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
endif()

# llama.cpp's Jinja engine: chat templates are rendered by it. Its JSON bridge is left out (value.cpp needs json.h
# only to compile), so only these files of the pinned sdist are built.
set(llama_common "${LORA_DEPS}/llama.cpp/common")
if(NOT EXISTS "${llama_common}/jinja/runtime.cpp")
  message(FATAL_ERROR "No chat template engine at ${llama_common}/jinja. Run ./setup again: the pinned sdist is missing or torn.")
endif()
add_library(jinja STATIC
  "${llama_common}/jinja/lexer.cpp" "${llama_common}/jinja/parser.cpp" "${llama_common}/jinja/runtime.cpp"
  "${llama_common}/jinja/string.cpp" "${llama_common}/jinja/value.cpp" "${llama_common}/jinja/caps.cpp"
  "${llama_common}/unicode.cpp" "${llama_common}/json.cpp")
target_include_directories(jinja SYSTEM PUBLIC "${llama_common}" "${LORA_DEPS}/llama.cpp/vendor")
target_compile_options(jinja PRIVATE -w)
