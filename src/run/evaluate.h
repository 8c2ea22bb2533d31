// Asks contestants the same held-out prompts, runs the checks on their answers, and judges. The statistics are eval/'s,
// the decoding generate/'s; here they meet, and everything that was asked and answered is written down.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/conversation.h"
#include "eval/comparison.h"
#include "eval/metrics.h"
#include "eval/scoring.h"
#include "eval/summary.h"
#include "model/adapter.h"
#include "run/few_shot.h"
#include "run/session.h"

namespace lora {

// What is asked: for each held-out row, all turns before its last assistant turn, and that turn as the reference.
struct Questions {
  std::vector<std::vector<int32_t>> prompt_ids;
  std::vector<std::string> references;
  std::vector<size_t> lines;
  std::vector<Conversation> rows;  // as they were given, the reference at their end
  // The same for every contestant; fewer where a question leaves no room in the context for so many.
  int64_t max_new_tokens = 0;
};

// Questions::max_new_tokens: `max_new_tokens`, or, where that is 0, half as long again as the longest reference, and 32 more.
int64_t most_new_tokens(int64_t max_new_tokens, int64_t longest_reference);
// Refuses a question that leaves no room for its answer in the model's context: for max_new_tokens, or, where that is 0, for any.
// Errors: kInput at `where`.
void require_room(int64_t prompt_tokens, int64_t max_new_tokens, int64_t context, const std::string& where);
// Of all of them, rows of `source`.
void require_room(const Session& session, const Questions& questions, int64_t max_new_tokens,
                  const std::string& source);

// `max_new_tokens`: as most_new_tokens() has it.
Questions make_questions(const Session& session, const std::vector<Conversation>& rows,
                         int64_t max_new_tokens, const std::string& source);

// The same questions with up to `k` examples before each; nullopt when one would not fit the model's context.
std::optional<Questions> with_examples(const Session& session, const Questions& questions,
                                       const std::vector<Conversation>& rows, const FewShotExamples& examples,
                                       size_t k);

// Seconds of one answer, and what 1,000 cost; how they were measured is in timing.json and endpoints.json.
struct Latency {
  double median_s = 0, p95_s = 0;
  std::optional<double> cost_per_1000_answers = {};
};

struct ContestantAnswers {
  std::string name;  // "base", "few_shot", "tuned"
  std::vector<std::string> answers;
  std::vector<bool> stopped;
  size_t num_fewshot = 0;                             // examples in each prompt
  std::vector<std::vector<int32_t>> prompt_ids = {};  // what was asked, where it is not Questions::prompt_ids
  std::vector<std::optional<int64_t>> answer_tokens = {};  // of each answer, without the token that ended it
  std::vector<std::optional<int64_t>> prompt_tokens =
      {};                   // as a server counted them; empty: those of prompt_ids
  std::string kind = {};    // see ContestantInfo; empty: the name
  std::string source = {};  // see ContestantInfo
  std::optional<Latency> latency = {};
};

// Who is asked: the base, or the base with an adapter.
struct ContestantAsked {
  std::string name;
  const Adapter* adapter = nullptr;
};

// Greedy answers of each, all in one batch: what is said of one is what it says when it is asked alone.
std::vector<ContestantAnswers> ask_together(const Session& session,
                                            const std::vector<ContestantAsked>& contestants,
                                            const Questions& questions, int64_t batch_size,
                                            Progress& progress);

// Of one alone.
ContestantAnswers ask(const Session& session, const Adapter* adapter, const std::string& name,
                      const Questions& questions, int64_t batch_size, Progress& progress);

// The base with examples: as many of kFewShotTried as answer best on `valid` (with equal results the fewest), or of
// kFewShotAtLeast where so many do not fit the context; then asked `test`. nullopt when there is no example to show, or
// not one fits.
std::optional<ContestantAnswers> ask_few_shot(const Session& session, const FewShotExamples& examples,
                                              const Questions& questions,
                                              const std::vector<Conversation>& test,
                                              const std::vector<Conversation>& valid, const Metrics& metrics,
                                              int64_t batch_size, Progress& progress);

// Runs the checks on everything that was answered, writes folder/answers.jsonl and folder/summary.json, and judges.
Evaluation judge(const Questions& questions, const std::vector<ContestantAnswers>& contestants,
                 const Metrics& metrics, const std::filesystem::path& folder);

// Answers that were given before the training, kept so that a resumed run does not ask again.
void save_answers(const std::filesystem::path& file, const ContestantAnswers& answers,
                  const std::string& run_hash);
std::optional<ContestantAnswers> load_answers(const std::filesystem::path& file, const std::string& run_hash,
                                              size_t count);

}  // namespace lora
