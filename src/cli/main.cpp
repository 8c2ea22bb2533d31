// The program `lora`. Commands on data run here and start at once; one that needs a model's weights is the business of
// `lora-engine`, the program beside this one, which takes this one's place: LibTorch is loaded only there.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/program.h"
#include "cli/waiting.h"

namespace {

// A user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT stands.
void choose_how_threads_wait() {
  std::string load;
  std::getline(std::ifstream("/proc/loadavg"), load);
  if (!std::getenv("OMP_WAIT_POLICY"))
    ::setenv("GOMP_SPINCOUNT", lora::cli::spin_count(load), /*overwrite=*/0);
}

// Comes back only when it cannot be done.
int become_engine(char** argv) {
  choose_how_threads_wait();
  std::error_code code;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", code);
  const std::filesystem::path engine = self.parent_path() / "lora-engine";
  if (!code) ::execv(engine.c_str(), argv);
  fmt::print(
      stderr,
      "lora: {}: it cannot be started ({}). Expected it beside lora; build or install the whole program.\n",
      engine.string(), code ? code.message() : std::strerror(errno));
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && lora::cli::is_data_command(argv[1])) {
    try {
      return lora::cli::run_program(argc, argv, [](CLI::App& program, lora::cli::Action& action) {
        lora::cli::add_data_commands(program, action);
      });
    } catch (const lora::cli::EngineNeeded&) {
    }
  }
  return become_engine(argv);
}
