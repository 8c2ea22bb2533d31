// Judges the recorded answers of an evaluation and writes what came of it beside them: judge.jsonl, judge.json and
// judge_transcripts.jsonl (docs/formats/run_directory.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/judge/judge_model.h"
#include "eval/judge/judgement.h"
#include "judging/config.h"
#include "judging/recorded.h"

namespace lora {

struct JudgedRun {
  Judgement judgement;
  std::optional<JudgeVerdict> verdict;  // nothing when the judge is not to be believed
  std::vector<std::string> notes;       // for the user
};

// "tuned" against each other contestant, both orders, and the controls. `models`: what is judged, for the warning about
// families. Files are written once all is judged. Errors: kInput when "tuned" is not among the contestants, or no other;
// the model's.
JudgedRun judge_recorded(JudgeModel& model, const JudgeSettings& settings, const RecordedAnswers& recorded,
                         const std::vector<JudgedModel>& models, const std::filesystem::path& folder);

// The models whose answers are judged, by the names that tell their families. `base_model` may be empty.
std::vector<JudgedModel> judged_models(const std::string& base_model, const JudgingConfig& config);

// judge.json when the judge could not be asked: not usable, and why. Older results of a judge are removed.
void write_unjudged(const std::filesystem::path& folder, const std::string& judge, const std::string& why);

}  // namespace lora
