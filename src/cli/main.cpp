// The program `lora`: finds the command, runs it, and turns an Error into one sentence and an exit code.
#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <new>

#include "base/error.h"
#include "base/interrupt.h"
#include "cli/commands.h"
#include "run/version.h"

namespace {

constexpr int kWrongUse = 2, kMachineFailed = 3, kInterruptedCode = 130;

int exit_code(lora::ErrorKind kind) {
  switch (kind) {
    case lora::ErrorKind::kInput:
      return kWrongUse;
    case lora::ErrorKind::kMachine:
      return kMachineFailed;
    case lora::ErrorKind::kInterrupted:
      return kInterruptedCode;
  }
  return kMachineFailed;
}

}  // namespace

int main(int argc, char** argv) {
  lora::catch_interrupts();
  CLI::App program{"lora: fine-tune a language model with LoRA, and know at the end whether it worked.",
                   "lora"};
  program.set_version_flag("--version", lora::kVersion);
  program.require_subcommand(1);
  program.footer(
      "Examples:\n"
      "  lora check data.jsonl                  find what would spoil a fine-tune on it, and mend it\n"
      "  lora run my.toml                       split, train, compare with the base, verdict\n"
      "  lora inspect model.gguf data.jsonl     see what the model is trained on, token by token\n"
      "  lora generate model.gguf --prompt Hi   ask a model\n"
      "Every command has --help. Only `lora pull` reaches the network.");
  lora::cli::Action action;
  lora::cli::add_check(program, action);
  lora::cli::add_run(program, action);
  lora::cli::add_train(program, action);
  lora::cli::add_eval(program, action);
  lora::cli::add_score(program, action);
  lora::cli::add_generate(program, action);
  lora::cli::add_inspect(program, action);
  lora::cli::add_split(program, action);
  lora::cli::add_pull(program, action);
  try {
    program.parse(argc, argv);
    return action();
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : kWrongUse;
  } catch (const lora::Error& error) {
    fmt::print(stderr, "lora: {}\n", error.what());
    return exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    fmt::print(
        stderr,
        "lora: the machine has not enough memory. Lower micro_batch_tokens or eval_batch_size, or use a "
        "smaller model.\n");
    return kMachineFailed;
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print(stderr, "lora: {}: {}. Choose a path that can be read and written.\n", error.path1().string(),
               error.code().message());
    return kMachineFailed;
  } catch (const std::exception& error) {
    fmt::print(stderr,
               "lora: internal error: {}\nThis is a bug of lora.cpp; please report it with the command.\n",
               error.what());
    return kMachineFailed;
  }
}
