// The commands that need a model's weights, one file each. They are in the program `lora-engine`.
#pragma once

#include "cli/commands.h"

namespace lora::cli {

void add_run(CLI::App& program, Action& action);       // split, train, evaluate, verdict
void add_train(CLI::App& program, Action& action);     // training alone
void add_eval(CLI::App& program, Action& action);      // base and tuned on held-out rows
void add_score(CLI::App& program, Action& action);     // NLL of the supervised tokens, row by row
void add_generate(CLI::App& program, Action& action);  // answers to prompts
void add_plan(CLI::App& program, Action& action);      // what a run will take
void add_bench(CLI::App& program, Action& action);     // how fast training steps are

inline void add_model_commands(CLI::App& program, Action& action) {
  add_run(program, action);
  add_train(program, action);
  add_eval(program, action);
  add_score(program, action);
  add_generate(program, action);
  add_plan(program, action);
  add_bench(program, action);
}

}  // namespace lora::cli
