// A judge on this machine: a model of its own, or the base itself, answering greedily. Nothing leaves the machine, and the
// same controls decide whether it is believed; small models seldom are.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/progress.h"
#include "eval/judge/judge_model.h"
#include "judging/config.h"

namespace lora {

inline constexpr int64_t kLocalJudgeTokens =
    512;  // of a text, where max_tokens is 0: a judge that rambles must end

// Opens settings.endpoint.model. Its answers are kept in `cache` as those of endpoints are, by the fingerprints of model
// and template in place of a URL; the model is read only when something is asked that is not there. A prompt that does
// not fit its context, or holds a spelled-out control token, is a failure of that answer. A system message goes into the
// question where the template takes none. Errors: kInput as Session's, when the model is opened; kInterrupted.
std::unique_ptr<JudgeModel> open_local_judge(const JudgeSettings& settings,
                                             const std::filesystem::path& cache, std::function<bool()> stop,
                                             Progress& progress);

}  // namespace lora
