#include "cli/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iterator>
#include <new>
#include <string_view>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/version.h"

namespace lora::cli {
namespace {

constexpr std::string_view kNoMemory =
    "there is not enough memory. Lower micro_batch_tokens or eval_batch_size, or use a smaller model";
constexpr int kWrongUse = 2, kMachineFailed = 3, kInterruptedCode = 130;

struct DataCommand {
  std::string_view name;
  void (*add)(CLI::App&, Action&);  // null: judge, which is given more
};
constexpr DataCommand kDataCommands[] = {
    {"check", add_check}, {"split", add_split},   {"inspect", add_inspect}, {"pull", add_pull},
    {"judge", nullptr},   {"report", add_report}, {"review", add_review}};

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInput:
      return kWrongUse;
    case ErrorKind::kMachine:
      return kMachineFailed;
    case ErrorKind::kInterrupted:
      return kInterruptedCode;
  }
  return kMachineFailed;
}

// Whether LibTorch, whose errors are not std::bad_alloc, found no memory: its own words for it on a GPU and on the CPU.
bool is_out_of_memory(const std::exception& error) {
  const std::string_view what = error.what();
  return what.find("out of memory") != what.npos || what.find("can't allocate memory") != what.npos;
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

int run_program(int argc, char** argv, const std::function<void(CLI::App&, Action&)>& add_commands) {
  catch_interrupts();
  CLI::App program{"lora: fine-tune a language model with LoRA, and know at the end whether it worked.",
                   "lora"};
  program.set_version_flag("--version", kVersion);
  program.require_subcommand(1);
  program.footer(
      "Examples:\n"
      "  lora check data.jsonl                  find what would spoil a fine-tune on it, and mend it\n"
      "  lora run my.toml                       split, train, compare with the base, verdict\n"
      "  lora inspect model.gguf data.jsonl     see what the model is trained on, token by token\n"
      "  lora generate model.gguf --prompt Hi   ask a model\n"
      "Every command has --help. The network is reached by `lora pull`, and for endpoints that you name, and "
      "never "
      "else.");
  Action action;
  add_commands(program, action);
  try {
    program.parse(argc, argv);
    return action();
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : kWrongUse;
  } catch (const Error& error) {
    fmt::print(stderr, "lora: {}\n", error.what());
    return exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "lora: {}.\n", kNoMemory);
    return kMachineFailed;
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print(stderr, "lora: {}: {}. Choose a path that can be read and written.\n", error.path1().string(),
               error.code().message());
    return kMachineFailed;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) {
      fmt::print(stderr, "lora: {}: {}\n", kNoMemory, first_line(error.what()));
      return kMachineFailed;
    }
    fmt::print(stderr,
               "lora: internal error: {}\nThis is a bug of lora.cpp; please report it with the command.\n",
               error.what());
    return kMachineFailed;
  }
}

void add_data_commands(CLI::App& program, Action& action, const OpenLocalJudge& open_local_judge) {
  for (const DataCommand& command : kDataCommands)
    if (command.add)
      command.add(program, action);
    else
      add_judge(program, action, open_local_judge);
}

bool is_data_command(std::string_view name) {
  return std::ranges::find(kDataCommands, name, &DataCommand::name) != std::end(kDataCommands);
}

}  // namespace lora::cli
