// What an evaluation wrote down, read again to be judged: answers.jsonl, and the rows that were asked.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "eval/judge/prompt.h"

namespace lora {

// In a folder of `lora eval` as long as it is not whole (run/evaluation_folder.h).
inline constexpr const char* kUnfinishedFile = "unfinished.json";

struct RecordedAnswers {
  std::vector<JudgeQuestion> questions;
  // By contestant, one for each question; contestants in the order of the file.
  std::vector<std::pair<std::string, std::vector<std::string>>> answers;

  const std::vector<std::string>* of(const std::string& contestant) const;
};

// `file`: answers.jsonl (docs/formats/run_directory.md); `rows`: the held-out rows, in the order in which they were asked;
// `rows_name` stands for them in errors. Errors: kInput with file:line when a line is not such a record, when a
// contestant lacks an answer, or when the answers are not to these rows.
RecordedAnswers read_recorded(const std::filesystem::path& file, const std::vector<Conversation>& rows,
                              const std::string& rows_name);

// Where results lie in a folder of `lora run` or `lora eval`.
struct ResultFolder {
  std::filesystem::path folder;   // of the run or the evaluation: what it locks
  std::filesystem::path results;  // holds answers.jsonl
  std::filesystem::path
      test_rows;           // split/test.jsonl of a run, questions.jsonl of an evaluation; empty: not there
  std::string base_model;  // what run.json calls it; may be empty
};

// The folder eval of a run stands for the run. Errors: kInput when neither DIR/eval/answers.jsonl nor DIR/answers.jsonl is there.
ResultFolder find_results(const std::filesystem::path& folder);

// Refuses what `lora run` or `lora eval` has not finished: going on, it would replace what a judge says of it. To be asked once
// the folder is locked. Errors: kInput.
void require_whole(const ResultFolder& found);

}  // namespace lora
