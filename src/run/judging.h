// Endpoints in an evaluation: contestants that are asked what base and tuned were asked, and a judge over all answers. The
// work is judging/'s; here it meets the answers of local models. Without a configured URL nothing here does anything.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "judging/config.h"
#include "run/evaluate.h"

namespace lora {

struct JudgedEvaluation {
  Evaluation evaluation;
  bool all_heard = true;  // false: a contestant was left out, or the judge could not be asked
};

// judge() of evaluate.h, with what the configuration says of endpoints: asks each contestant of `config` and adds its
// answers (folder/endpoints.json: latency, tokens, cost); then puts all answers before the judge (folder/judge.json and
// what belongs to it). An endpoint that fails is left out and said so, in these files and to the user: no hours of training
// are lost to it. The judge changes the verdict only where the configuration says that it decides, and where it passed its
// controls. `base_model`: the model's name, for its family. Errors: judge()'s; kInterrupted.
JudgedEvaluation judge_with_endpoints(const JudgingConfig& config, const std::string& base_model,
                                      const Questions& questions, std::vector<ContestantAnswers> contestants,
                                      const Metrics& metrics, const std::filesystem::path& folder,
                                      Progress& progress);

}  // namespace lora
