// What both programs share: one frame around the commands that turns an Error into one sentence and an exit code
// (docs/architecture.md, "Exit codes").
#pragma once

#include <functional>
#include <string_view>

#include "cli/commands.h"

namespace lora::cli {

// Parses the command line with the commands that `add_commands` adds, does what was asked, and gives the exit code.
int run_program(int argc, char** argv, const std::function<void(CLI::App&, Action&)>& add_commands);

// The commands that need no model's weights: they are in the program `lora` itself, and start without LibTorch.
// One may turn out to need weights: without `open_local_judge`, `lora judge` then throws EngineNeeded (commands.h).
void add_data_commands(CLI::App& program, Action& action, const OpenLocalJudge& open_local_judge = {});
// Whether `name` is one of them.
bool is_data_command(std::string_view name);

}  // namespace lora::cli
