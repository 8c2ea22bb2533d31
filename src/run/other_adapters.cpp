#include "run/other_adapters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "deploy/peft.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

// What load_adapter() says, behind the place of the table that named it.
[[noreturn]] void refuse_at(const std::string& place, const Error& error) {
  const auto& parts = error.parts();
  throw Error(error.kind(), {.where = fmt::format("{}: {}", place, parts.where),
                             .found = parts.found,
                             .expected = parts.expected,
                             .fix = parts.fix});
}

Adapter open(const Session& session, const std::string& folder, const std::string& place) {
  if (!fs::is_directory(folder))
    throw Error::input({.where = place,
                        .found = fmt::format("there is no folder {}", folder),
                        .expected = "the folder of an adapter, with adapter_config.json"});
  try {
    Adapter adapter = session.load_adapter(folder);
    const AdapterRecord record = read_record(folder);
    const std::string here = session.record().base_quantization;
    const auto in_words = [](const std::string& type) { return type.empty() ? "full precision" : type; };
    if (!record.base_fingerprint.empty() && record.base_quantization != here)
      throw Error::input(
          {.where = folder,
           .found = fmt::format("the adapter was trained over the base in {}, which is here in {}",
                                in_words(record.base_quantization), in_words(here)),
           .fix = "Compare it in an evaluation with the same load_in_4bit."});
    return adapter;
  } catch (const Error& error) {
    refuse_at(place, error);
  }
}

// Steps with a checkpoint, ascending.
std::vector<int64_t> steps_taken(int64_t interval, int64_t total_steps) {
  std::vector<int64_t> steps;
  for (int64_t step = interval; step < total_steps; step += interval) steps.push_back(step);
  steps.push_back(total_steps);
  return steps;
}

}  // namespace

std::vector<OtherAdapter> open_adapters(const Session& session, const JudgingConfig& config) {
  std::vector<OtherAdapter> others;
  for (const ContestantSettings& settings : config.contestants)
    if (!settings.adapter.empty())
      others.push_back({settings.name, settings.adapter, open(session, settings.adapter, settings.place)});
  return others;
}

void check_checkpoints(const JudgingConfig& config, int64_t interval, int64_t total_steps) {
  const std::vector<int64_t> taken = steps_taken(interval, total_steps);
  for (const ContestantSettings& settings : config.contestants) {
    const auto step = checkpoint_step(settings.checkpoint);
    if (!step || std::ranges::find(taken, *step) != taken.end()) continue;
    throw Error::input(
        {.where = settings.place,
         .found = fmt::format("no checkpoint is taken at step {}", *step),
         .expected = fmt::format("a multiple of {}, or {}, which is the last step", interval, total_steps),
         .fix = "Name one of those, or set eval_steps."});
  }
}

bool names_checkpoint(const JudgingConfig& config, int64_t step, int64_t interval, int64_t total_steps) {
  if (step == 0 || (step % interval != 0 && step != total_steps)) return false;
  return std::ranges::any_of(config.contestants, [&](const ContestantSettings& settings) {
    return settings.checkpoint == "all" || checkpoint_step(settings.checkpoint) == step ||
           (settings.checkpoint == "last" && step == total_steps);
  });
}

int64_t count_named_checkpoints(const JudgingConfig& config, int64_t interval, int64_t total_steps) {
  return std::ranges::count_if(steps_taken(interval, total_steps), [&](int64_t step) {
    return names_checkpoint(config, step, interval, total_steps);
  });
}

std::vector<OtherAdapter> open_checkpoints(const Session& session, const JudgingConfig& config,
                                           const fs::path& checkpoints, int64_t interval,
                                           int64_t total_steps) {
  std::vector<OtherAdapter> others;
  for (const int64_t step : steps_taken(interval, total_steps)) {
    if (!names_checkpoint(config, step, interval, total_steps)) continue;
    const std::string folder = (checkpoints / fmt::format("step-{}", step)).string();
    if (!fs::is_directory(folder))
      throw Error::machine({.where = folder,
                            .found = "this checkpoint is a contestant, and is not there any more",
                            .fix = "Take its [[contestant]] table out and give the same command again: the "
                                   "training is kept."});
    const bool is_last = std::ranges::any_of(config.contestants, [&](const ContestantSettings& settings) {
      return settings.checkpoint == "last" && step == total_steps;
    });
    const std::string name = fmt::format("step-{}", step);
    others.push_back({is_last ? "last" : name, "checkpoints/" + name, session.load_adapter(folder), true});
  }
  return others;
}

std::vector<ContestantAnswers> ask_adapters(const Session& session, std::vector<ContestantAsked> first,
                                            const std::vector<OtherAdapter>& others,
                                            const Questions& questions, int64_t batch_size,
                                            Progress& progress) {
  const size_t before = first.size();
  for (const OtherAdapter& other : others) first.push_back({other.name, &other.adapter});
  std::vector<ContestantAnswers> all = ask_together(session, first, questions, batch_size, progress);
  for (size_t i = 0; i < others.size(); ++i) {
    all[before + i].kind = "adapter";
    all[before + i].source = others[i].folder;
  }
  return all;
}

}  // namespace lora
