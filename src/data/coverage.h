// What a data set holds: lengths, system prompts, forms of answers, classes, languages, topics, how many answers say no.
// Numbers and names for people and for the page; judges nothing. Bounded memory: some 40 bytes a row, and a sample for
// the topics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/checks/check.h"
#include "data/label_counts.h"
#include "data/topic_model.h"

namespace lora {

struct LengthSummary {
  size_t count = 0;
  uint32_t least = 0, p5 = 0, median = 0, p95 = 0, most = 0;
  double mean = 0;
  uint32_t bin_width = 1;
  std::vector<size_t> bins;  // equal, from 0; the last holds everything longer
};
LengthSummary summarize_lengths(std::vector<uint32_t> lengths, size_t bins = 30);

struct NamedCount {
  std::string name;
  size_t count = 0;
  size_t example_line = 0;  // the first
};

struct PromptSummary {
  std::string text;  // its beginning; empty: rows without a system prompt
  size_t rows = 0, answers = 0, negative = 0;
  size_t first_line = 0;
  std::string main_format;  // of its answers
  double main_share = 0;    // of its answers
};

struct DataSummary {
  size_t rows = 0, answers = 0, negative = 0;
  LengthSummary question_characters, answer_characters, row_tokens;
  bool tokens_estimated = true;
  size_t max_seq_length = 0, rows_over = 0;  // rows with more tokens than that
  uint64_t tokens = 0;
  std::vector<PromptSummary> prompts;  // the commonest first, at most kMostPrompts; the rest in one
  size_t different_prompts = 0;
  std::vector<NamedCount> formats, classes, question_languages, answer_languages;  // the commonest first
  std::vector<TopicModel::Topic> topics;
  std::vector<TopicModel::Point> points;  // at most 800
  size_t topic_sample = 0;                // texts that the topics were found in
};

class Coverage {
 public:
  static constexpr size_t kMostPrompts = 12;

  // `tokens` of the row, counted or estimated.
  void see(const Conversation& row, size_t line, size_t tokens);
  // Precondition: all rows were seen. Fits the topics on the first call.
  DataSummary summary(size_t max_seq_length, bool tokens_estimated);

  // What `held_out` holds that this, the training set, does not, a sentence each: system prompts, forms, classes,
  // languages, topics, lengths.
  std::vector<std::string> gaps(Coverage& held_out);

 private:
  struct Prompt {
    std::string text;
    size_t rows = 0, answers = 0, negative = 0, first_line = 0;
    std::vector<std::string> fallbacks;
    std::vector<uint32_t> kinds;
  };
  void fit();

  size_t rows_ = 0, answers_ = 0, negative_ = 0;
  std::vector<uint32_t> question_lengths_, answer_lengths_, tokens_;
  std::unordered_map<uint64_t, Prompt> prompts_;
  std::unordered_map<uint64_t, NamedCount> formats_;
  std::vector<NamedCount> question_languages_, answer_languages_;
  LabelCounts labels_;
  size_t short_answers_ = 0;
  TopicModel topics_;
  bool fitted_ = false;
};

// Feeds `coverage` from the doctor's rows. With `held_out`, what that holds and the data does not becomes notes
// (`coverage-gap`) at the end. Both must outlive the check.
std::unique_ptr<DataCheck> make_coverage_check(Coverage& coverage, Coverage* held_out = nullptr);

}  // namespace lora
