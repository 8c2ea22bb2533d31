// The commands of `lora`, one file each: parse, call, print. A command adds itself to the program and leaves in `action`
// what is to be done when it was chosen. Here stand those that need no model's weights; cli_model/ has the others.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/progress.h"
#include "eval/judge/judge_model.h"
#include "judging/config.h"

namespace lora::cli {

// Runs the command; gives the exit code (docs/architecture.md, "Exit codes").
using Action = std::function<int()>;

// Opens the local model that is to judge. The program `lora` has none, and throws EngineNeeded.
using OpenLocalJudge = std::function<std::unique_ptr<JudgeModel>(
    const JudgeSettings& settings, const std::filesystem::path& cache, std::function<bool()> stop,
    Progress& progress)>;
// What was asked needs weights after all: lora-engine is to take this program's place. Nothing was done yet.
struct EngineNeeded {};

void add_check(CLI::App& program, Action& action);    // the data doctor
void add_split(CLI::App& program, Action& action);    // a data file in parts
void add_inspect(CLI::App& program, Action& action);  // a row token by token
void add_pull(CLI::App& program, Action& action);     // a model from a hub
void add_judge(CLI::App& program, Action& action,
               OpenLocalJudge open_local);           // recorded answers before a judge
void add_report(CLI::App& program, Action& action);  // the page of a run
void add_review(CLI::App& program, Action& action);  // a blinded review by people, and its votes

}  // namespace lora::cli
