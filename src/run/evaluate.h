// Asks contestants the same held-out prompts, runs the checks on their answers, and judges. The statistics are eval/'s,
// the decoding generate/'s; here they meet, and everything that was asked and answered is written down.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/conversation.h"
#include "eval/checks.h"
#include "eval/comparison.h"
#include "eval/primary_metric.h"
#include "model/adapter.h"
#include "run/session.h"

namespace lora {

// What is asked: for each held-out row, all turns before its last assistant turn, and that turn as the reference.
struct Questions {
  std::vector<std::vector<int32_t>> prompt_ids;
  std::vector<std::string> references;
  std::vector<size_t> lines;
  int64_t max_new_tokens = 0;  // the same for every contestant
};

// `max_new_tokens` 0: half as long again as the longest reference answer, and 32 more.
Questions make_questions(const Session& session, const std::vector<Conversation>& rows,
                         int64_t max_new_tokens, const std::string& source);

struct ContestantAnswers {
  std::string name;  // "base", "tuned"
  std::vector<std::string> answers;
  std::vector<bool> stopped;
};

// Greedy answers of the model with or without an adapter.
ContestantAnswers ask(const Session& session, const Adapter* adapter, const std::string& name,
                      const Questions& questions, int64_t batch_size, Progress& progress);

// The checks of an evaluation: the primary metric, chosen from the reference answers before any model was asked, and
// descriptive ones beside it.
struct Metrics {
  PrimaryMetric primary;
  struct Named {
    std::string name;
    std::unique_ptr<Check> check;
  };
  std::vector<Named> checks;  // the primary one first
};
Metrics choose_metrics(const std::vector<std::string>& references,
                       const std::vector<Conversation>& training_rows);

// Runs the checks on everything that was answered, writes folder/answers.jsonl and folder/summary.json, and judges.
Evaluation judge(const Questions& questions, const std::vector<ContestantAnswers>& contestants,
                 const Metrics& metrics, const std::filesystem::path& folder);

// Answers that were given before the training, kept so that a resumed run does not ask again.
void save_answers(const std::filesystem::path& file, const ContestantAnswers& answers,
                  const std::string& run_hash);
std::optional<ContestantAnswers> load_answers(const std::filesystem::path& file, const std::string& run_hash,
                                              size_t count);

}  // namespace lora
