// The program `lora-engine`: all commands of `lora`. `lora` becomes it where a model's weights are needed.
#include "cli/program.h"
#include "cli_model/commands.h"
#include "run/local_judge.h"

int main(int argc, char** argv) {
  return lora::cli::run_program(argc, argv, [](CLI::App& program, lora::cli::Action& action) {
    lora::cli::add_data_commands(program, action, lora::open_local_judge);
    lora::cli::add_model_commands(program, action);
  });
}
