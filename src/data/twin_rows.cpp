#include "data/twin_rows.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "data/phrase_counts.h"
#include "data/row_parts.h"
#include "data/twin_judge.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr size_t kSample = 20'000;     // rows that recurrence is measured on
constexpr size_t kTwinsPerRow = 4;     // looked at, of a row with earlier ones, and of those with its answer
constexpr size_t kRareAnswer = 8;      // where so many rows give it at most
constexpr double kLeastSimilar = 0.5;  // of questions, to be looked at

uint64_t words_id(std::span<const uint32_t> words) {
  return XXH3_64bits(words.data(), words.size() * sizeof(uint32_t));
}

}  // namespace

TwinRows::TwinRows(size_t memory_budget)
    : budget_(memory_budget), questions_(memory_budget / 2), answers_(memory_budget / 2) {}

void TwinRows::add(const Conversation& row) {
  std::vector<uint32_t> words;
  append_question_words(row, words);
  questions_.add(words);
  words.clear();
  append_answer_words(row, words);
  answers_.add(words);
  instructions_.push_back(instructions_hash(row));
}

double TwinRows::recurrence() const {
  // By content, so that the order of the rows does not matter.
  std::vector<std::vector<uint32_t>> sample;
  std::vector<uint64_t> seen;
  for (size_t row = 0; row < size(); ++row) {
    std::vector<uint32_t> words = questions_.read(row);
    const uint64_t id = words_id(words);
    if (mix64(id) % std::max<size_t>(1, size()) >= kSample) continue;
    seen.push_back(id);
    sample.push_back(std::move(words));
  }
  // Copies of a row are not a template.
  std::vector<size_t> order(sample.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return seen[a] < seen[b]; });
  std::erase_if(order, [&, last = uint64_t{0}, first = true](size_t i) mutable {
    const bool again = !first && seen[i] == last;
    last = seen[i];
    first = false;
    return again;
  });
  const auto phrases_of = [&](size_t i, std::vector<uint64_t>& out) {
    out.clear();
    const std::vector<uint32_t> words = padded(sample[i]);
    for (size_t k = kPadding - 1; k + 2 < words.size() - (kPadding - 1); ++k)
      out.push_back(mix64(mix64(words[k], words[k + 1]), words[k + 2]));
  };
  std::unordered_map<uint64_t, uint32_t> rows_with;
  std::vector<uint64_t> phrases;
  for (const size_t i : order) {
    phrases_of(i, phrases);
    std::sort(phrases.begin(), phrases.end());
    phrases.erase(std::unique(phrases.begin(), phrases.end()), phrases.end());
    for (const uint64_t phrase : phrases) ++rows_with[phrase];
  }
  const uint32_t many = static_cast<uint32_t>(std::max<size_t>(3, order.size() / 500));
  double sum = 0;
  size_t rows = 0;
  for (const size_t i : order) {
    phrases_of(i, phrases);
    if (phrases.empty()) continue;
    const auto recur =
        std::count_if(phrases.begin(), phrases.end(), [&](uint64_t p) { return rows_with[p] >= many; });
    sum += static_cast<double>(recur) / static_cast<double>(phrases.size());
    ++rows;
  }
  return rows == 0 ? 0 : sum / static_cast<double>(rows);
}

std::vector<Twin> TwinRows::find(const Reread& reread, size_t border) const {
  std::vector<uint32_t> words;
  std::vector<uint64_t> answer_ids(size());
  for (size_t row = 0; row < size(); ++row) {
    answers_.read(row, words);
    answer_ids[row] = words_id(words);
  }
  std::vector<uint64_t> sorted_ids = answer_ids;
  std::sort(sorted_ids.begin(), sorted_ids.end());
  const auto rows_with_answer = [&](size_t row) {
    const auto [begin, end] = std::equal_range(sorted_ids.begin(), sorted_ids.end(), answer_ids[row]);
    return static_cast<size_t>(end - begin);
  };
  std::vector<uint64_t> rare_answers(size());
  for (size_t row = 0; row < size(); ++row)
    if (rows_with_answer(row) <= kRareAnswer) rare_answers[row] = answer_ids[row];

  const std::vector<NearPair> pairs = find_near_duplicates(questions_, {.threshold = kLeastSimilar,
                                                                        .look_past_boilerplate = true,
                                                                        .most_per_text = kTwinsPerRow,
                                                                        .labels = rare_answers,
                                                                        .border = border,
                                                                        .memory_budget = budget_});
  if (pairs.empty()) return {};

  std::vector<bool> in_pair(size());
  for (const NearPair& pair : pairs)
    if (pair.similarity < 1) in_pair[pair.first] = in_pair[pair.second] = true;
  size_t named = 0;
  for (size_t row = 0; row < size(); ++row)
    if (in_pair[row]) named += questions_.length(row) + 2 * kPadding;
  PhraseCounts counts(named);
  for (size_t row = 0; row < size(); ++row)
    if (in_pair[row]) counts.name_phrases(padded(questions_.read(row)));
  for (size_t row = 0; row < size(); ++row) {
    questions_.read(row, words);
    counts.count_row(padded(words));
  }

  const TwinJudge judge(counts, size(), recurrence());
  std::vector<Twin> twins;
  RowWords a, b;
  const auto read = [&](size_t row, RowWords& out) {
    questions_.read(row, out.question);
    answers_.read(row, out.answer);
    out.instructions = instructions_[row];
    out.rows_with_answer = rows_with_answer(row);
    out.spelled = [&reread, row] { return reread(row); };
  };
  for (const NearPair& pair : pairs) {
    read(pair.first, a);
    read(pair.second, b);
    if (judge.are_twins(a, b, pair.similarity)) twins.push_back({pair.first, pair.second, pair.similarity});
  }
  return twins;
}

}  // namespace lora
