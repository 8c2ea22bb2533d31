// Runs a program to its end: no shell, a time limit, bounded output, and nothing of it left running afterwards.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct ChildResult {
  enum class End { kExited, kSignalled, kTimedOut, kTooMuchOutput, kNotStarted };
  End end = End::kNotStarted;
  int code = 0;        // exit status, signal, or errno of what failed
  std::string output;  // standard output
  std::string errors;  // the last kErrorBytes of standard error
};

inline constexpr size_t kMostOutput = 1 << 20, kErrorBytes = 4096;

// `command`: the program (looked for in PATH when it holds no '/') and its arguments. `input` is its standard input.
// It runs in `folder`, in a process group of its own, which is killed when the program ends or the time is up. Throws
// Error (kInterrupted) when the user asked to stop meanwhile.
ChildResult run_child(const std::vector<std::string>& command, const std::filesystem::path& folder,
                      std::string_view input, std::chrono::milliseconds limit);

// Whether run_child would find something to execute.
bool is_program(const std::string& program, const std::filesystem::path& folder);

}  // namespace lora
