// Decides whether two rows with similar questions are twins (data/twin_rows.h says what that means), from their words
// and from how many rows of the set hold which phrases. Looks at two rows at a time; finding the pairs is elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/conversation.h"
#include "data/phrase_counts.h"
#include "data/word_difference.h"

namespace lora {

// Words with marks for the beginning and the end, so that places at either end have surroundings too.
inline constexpr size_t kPadding = PhraseCounts::kLongest - 1;
std::vector<uint32_t> padded(std::span<const uint32_t> words);

struct RowWords {
  std::vector<uint32_t> question, answer;
  uint64_t instructions = 0;
  size_t rows_with_answer = 1;                 // rows of the set with these very words as answer
  std::function<Conversation()> spelled = {};  // the row itself, when letters decide
};

class TwinJudge {
 public:
  // `counts` counted the padded questions of all `rows` rows; recurrence as TwinRows::recurrence().
  TwinJudge(const PhraseCounts& counts, size_t rows, double recurrence);

  // similarity: Jaccard of the questions' shingles.
  bool are_twins(const RowWords& a, const RowWords& b, double similarity) const;

 private:
  struct Pair;
  bool is_change(const Pair& pair, const Hunk& hunk) const;
  bool departs(const Pair& pair, const Hunk& hunk, bool& known) const;
  bool is_gap(const Pair& pair, const Hunk& hunk) const;
  bool is_lone_word(const Pair& pair, const Hunk& hunk) const;
  static bool holds_number(const Pair& pair, const Hunk& hunk);
  bool is_slip(const Pair& pair, const Hunk& hunk) const;
  struct SharedPhrases {
    size_t recurring = 0, own = 0;  // that many rows hold; that hardly any other row holds
  };
  SharedPhrases shared_phrases(const Pair& pair) const;

  const PhraseCounts& counts_;
  uint32_t frame_;  // a phrase in this many rows is part of a frame
  uint32_t few_;    // a greeting in at most this many rows is no slot
  bool from_templates_;
};

}  // namespace lora
