# lora_room(NAME ROOMS below... LIBS third-party...)
# One static library per folder of src/, one test program per room out of its *_test.cpp files.
# A room includes only the rooms that it names: `make lint` checks it.
function(lora_room name)
  cmake_parse_arguments(ROOM "" "" "ROOMS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cpp")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/(main|thread_wait)\\.cpp$")
  list(TRANSFORM ROOM_ROOMS PREPEND lora_)

  if(sources)
    add_library(lora_${name} STATIC ${sources})
    target_include_directories(lora_${name} PUBLIC "${CMAKE_SOURCE_DIR}/include")
    target_include_directories(lora_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(lora_${name} PUBLIC ${ROOM_ROOMS} ${ROOM_LIBS})
    if("LibTorch::LibTorch" IN_LIST ROOM_LIBS)
      lora_precompiled_torch(lora_${name})
    endif()
  else()
    add_library(lora_${name} INTERFACE)
    target_link_libraries(lora_${name} INTERFACE ${ROOM_ROOMS} ${ROOM_LIBS})
  endif()

  if(LORA_BUILD_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_compile_definitions(${name}_test PRIVATE LORA_SOURCE_DIR="${CMAKE_SOURCE_DIR}" LORA_DEPS_DIR="${LORA_DEPS}")
    target_link_libraries(${name}_test PRIVATE lora_${name} GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()

# The programs `lora` and `lora-engine` in the build tree's root: the second has the commands that need LibTorch. Installed,
# both find everything beyond the C and C++ run-time in lib/ beside bin/, so the folder may be moved, also to a machine
# without the packages it was built with.
function(lora_programs)
  add_executable(lora "${CMAKE_SOURCE_DIR}/src/cli/main.cpp")
  target_link_libraries(lora PRIVATE lora_cli)
  set(programs lora)
  if(LORA_WITH_TORCH)
    add_executable(lora-engine "${CMAKE_SOURCE_DIR}/src/cli_model/main.cpp"
                               "${CMAKE_SOURCE_DIR}/src/cli_model/thread_wait.cpp")
    target_link_libraries(lora-engine PRIVATE lora_cli_model)
    if(TARGET tcmalloc)
      target_link_libraries(lora-engine PRIVATE tcmalloc)
    endif()
    add_dependencies(lora lora-engine)
    list(APPEND programs lora-engine)
    # The copied system libraries find each other in lib/, which they have no run path to.
    target_link_options(lora-engine PRIVATE -Wl,--disable-new-dtags)
    install(FILES ${LibTorch_RUNTIME} DESTINATION lib)
  endif()
  target_link_options(lora PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(${programs} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}" INSTALL_RPATH "$ORIGIN/../lib")
  install(TARGETS ${programs} RUNTIME_DEPENDENCY_SET needed RUNTIME DESTINATION bin)
  install(RUNTIME_DEPENDENCY_SET needed DESTINATION lib
    DIRECTORIES "${LIBTORCH}/lib"
    POST_EXCLUDE_REGEXES "/ld-linux.*" "/lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\\+\\+)\\.so.*" "/lib(torch|c10|gomp|cu|nv|nccl|cuda)[^/]*$")
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION share/lora)
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/examples" DESTINATION share/lora)
endfunction()
