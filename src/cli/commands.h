// The commands of `lora`, one file each: parse, call, print. A command adds itself to the program and leaves in `action`
// what is to be done when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace lora::cli {

// Runs the command; gives the exit code (docs/architecture.md, "Exit codes").
using Action = std::function<int()>;

void add_check(CLI::App& program, Action& action);     // the data doctor
void add_run(CLI::App& program, Action& action);       // split, train, evaluate, verdict
void add_train(CLI::App& program, Action& action);     // training alone
void add_eval(CLI::App& program, Action& action);      // base and tuned on held-out rows
void add_score(CLI::App& program, Action& action);     // NLL of the supervised tokens, row by row
void add_generate(CLI::App& program, Action& action);  // answers to prompts
void add_inspect(CLI::App& program, Action& action);   // a row token by token
void add_split(CLI::App& program, Action& action);     // a data file in parts
void add_pull(CLI::App& program, Action& action);      // a model from a hub

}  // namespace lora::cli
