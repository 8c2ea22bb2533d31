#include "data/twin_judge.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "data/near_duplicates.h"
#include "data/small_words.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr uint32_t kBegin = 2, kEnd = 4;  // words that no text holds but by chance
constexpr double kTemplateSet = 0.25;     // recurrence from which a set counts as made from templates
constexpr double kTemplatePair = 0.6;     // the same for the text that two rows share
constexpr size_t kOwnPhrases = 12;
constexpr double kOwnSimilarity = 0.8;
constexpr uint32_t kLeastFrame = 4;     // rows
constexpr double kSettled = 0.6;        // share of a frame's rows that agree in one filling
constexpr double kSimilarAnswer = 0.7;  // Jaccard
constexpr size_t kTellingWords = 6;     // an answer from this length on, that few rows give, tells rows apart
constexpr size_t kFewRows = 3;
constexpr double kWithTellingAnswer = 0.5;  // least similarity of questions, by what their answers say
constexpr double kAmongTemplates = 0.6;
constexpr double kWithEqualAnswer = 0.7;
constexpr double kWithOtherAnswer = 0.7;
constexpr double kUnderOtherInstructions = 0.8;
constexpr size_t kShortHunk = 3;  // words
constexpr size_t kLongText = 40;  // words
constexpr double kOfLongTexts = 0.7;

std::u32string letters_of(std::string_view word) {
  std::u32string out;
  for (size_t i = 0; i < word.size();) {
    const Utf8Char c = utf8_at(word, i);
    out += static_cast<char32_t>(c.code_point);
    i += c.length;
  }
  return out;
}

// Damerau-Levenshtein distance (adjacent swaps count one) is at most `most`.
bool within_distance(const std::u32string& a, const std::u32string& b, size_t most) {
  if (a.size() > b.size() + most || b.size() > a.size() + most) return false;
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()] <= most;
}

// Whether words stand in place of others, rather than being put in or left out.
bool replaces_words(const std::vector<Hunk>& hunks) {
  return std::any_of(hunks.begin(), hunks.end(),
                     [](const Hunk& h) { return h.a_begin < h.a_end && h.b_begin < h.b_end; });
}

// "xA" beside "Ax" is read as x left out and x put in, one word apart. Where it is another word that is put in ("yA"
// beside "Ax"), one filling of a slot stands for another and they share a word by chance: one hunk. Ideographs, each a
// word, do so often.
void join_shifted(std::span<const uint32_t> a, std::span<const uint32_t> b, std::vector<Hunk>& hunks) {
  for (size_t i = 0; i + 1 < hunks.size();) {
    Hunk& left = hunks[i];
    const Hunk& right = hunks[i + 1];
    const bool a_then_b = left.b_begin == left.b_end && right.a_begin == right.a_end;
    const bool b_then_a = left.a_begin == left.a_end && right.b_begin == right.b_end;
    const auto one = [](const Hunk& h) { return h.a_end - h.a_begin + h.b_end - h.b_begin == 1; };
    const bool moved = one(left) && one(right) &&
                       (a_then_b ? a[left.a_begin] == b[right.b_begin] : b[left.b_begin] == a[right.a_begin]);
    if ((a_then_b || b_then_a) && right.a_begin - left.a_end == 1 && !moved) {
      left.a_end = right.a_end;
      left.b_end = right.b_end;
      hunks.erase(hunks.begin() + static_cast<ptrdiff_t>(i) + 1);
    } else {
      ++i;
    }
  }
}

bool same_words(std::vector<uint32_t> a, std::vector<uint32_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

// A word written twice in a row.
bool is_stutter(std::span<const uint32_t> a, std::span<const uint32_t> b, const Hunk& hunk) {
  const auto doubled = [](std::span<const uint32_t> words, size_t begin, size_t end) {
    return end - begin == 1 && (words[begin] == words[begin - 1] || words[begin] == words[end]);
  };
  return (hunk.a_begin == hunk.a_end && doubled(b, hunk.b_begin, hunk.b_end)) ||
         (hunk.b_begin == hunk.b_end && doubled(a, hunk.a_begin, hunk.a_end));
}

std::vector<std::string> question_words(const Conversation& row) {
  std::vector<std::string> words = words_of(row.text);
  for (const Message& message : row.messages)
    if (message.role == "user" || message.role == "tool")
      for (std::string& word : words_of(message.content)) words.push_back(std::move(word));
  return words;
}

}  // namespace

std::vector<uint32_t> padded(std::span<const uint32_t> words) {
  std::vector<uint32_t> out(kPadding, kBegin);
  out.insert(out.end(), words.begin(), words.end());
  out.insert(out.end(), kPadding, kEnd);
  return out;
}

struct TwinJudge::Pair {
  const RowWords& row_a;
  const RowWords& row_b;
  std::vector<uint32_t> a, b;  // padded questions
  std::vector<Hunk> hunks;
};

TwinJudge::TwinJudge(const PhraseCounts& counts, size_t rows, double recurrence)
    : counts_(counts),
      frame_(std::max<uint32_t>(kLeastFrame, static_cast<uint32_t>(rows / 500))),
      few_(std::max<uint32_t>(kFewRows, static_cast<uint32_t>(rows / 33))),
      from_templates_(recurrence >= kTemplateSet) {}

bool TwinJudge::are_twins(const RowWords& row_a, const RowWords& row_b, double similarity) const {
  const bool equal_answers = row_a.answer == row_b.answer;
  std::vector<uint32_t> shingles_a, shingles_b;
  shingles_of(row_a.answer, shingles_a);
  shingles_of(row_b.answer, shingles_b);
  const bool similar_answers = equal_answers || jaccard(shingles_a, shingles_b) >= kSimilarAnswer;
  if (row_a.instructions != row_b.instructions && (!equal_answers || similarity < kUnderOtherInstructions))
    return false;
  if (similarity >= 1 && row_a.question == row_b.question) return similar_answers;

  Pair pair{row_a, row_b, padded(row_a.question), padded(row_b.question), {}};
  pair.hunks = word_difference(pair.a, pair.b);
  join_shifted(pair.a, pair.b, pair.hunks);
  const bool telling = similar_answers &&
                       std::min(row_a.answer.size(), row_b.answer.size()) >= kTellingWords &&
                       std::min(row_a.rows_with_answer, row_b.rows_with_answer) <= kFewRows;
  const bool short_hunks = std::all_of(pair.hunks.begin(), pair.hunks.end(), [](const Hunk& h) {
    return h.a_end - h.a_begin <= kShortHunk && h.b_end - h.b_begin <= kShortHunk;
  });
  const SharedPhrases shared = shared_phrases(pair);
  const bool
      of_their_own =  // much text that hardly any row has: no template made it, whatever made the others
      similarity >= kOwnSimilarity && shared.recurring < shared.own && shared.own >= kOwnPhrases &&
      (equal_answers || (similar_answers && !replaces_words(pair.hunks))) && short_hunks;
  if (from_templates_ ? !of_their_own : shared.recurring >= kTemplatePair * (shared.recurring + shared.own)) {
    if (!similar_answers || similarity < (telling ? kWithTellingAnswer : kAmongTemplates)) return false;
    const auto all = [&](auto holds) { return std::all_of(pair.hunks.begin(), pair.hunks.end(), holds); };
    const bool same_telling_answer = telling && equal_answers;
    if (same_telling_answer) {
      // An answer that nobody else gives, to a long text of which a part was left out or moved, or to the same words in
      // another order.
      const bool numbers = !all([&](const Hunk& h) { return !holds_number(pair, h); });
      const size_t shorter = std::min(row_a.question.size(), row_b.question.size());
      if (shorter >= kLongText && similarity >= kOfLongTexts && !numbers) return true;
      if (same_words(row_a.question, row_b.question)) return true;
    }
    // Where another word in the question goes with another answer, the word is what was asked about.
    if (!equal_answers && replaces_words(pair.hunks))
      return all([&](const Hunk& h) { return is_stutter(pair.a, pair.b, h) || is_slip(pair, h); });
    return all([&](const Hunk& h) {
      return is_change(pair, h) || (same_telling_answer && (is_gap(pair, h) || is_lone_word(pair, h)));
    });
  }

  if (telling && equal_answers && same_words(row_a.question, row_b.question)) return true;
  const bool numbers_differ = std::any_of(pair.hunks.begin(), pair.hunks.end(), [&](const Hunk& h) {
    const auto any_number = [](std::span<const uint32_t> words, size_t begin, size_t end) {
      return std::any_of(words.begin() + static_cast<ptrdiff_t>(begin),
                         words.begin() + static_cast<ptrdiff_t>(end), has_digit);
    };
    return any_number(pair.a, h.a_begin, h.a_end) && any_number(pair.b, h.b_begin, h.b_end);
  });
  if (telling) return similarity >= kWithTellingAnswer;
  if (numbers_differ) return false;
  if (similar_answers) return similarity >= kWithEqualAnswer;
  return similarity >= kWithOtherAnswer && short_hunks;
}

// Phrases of four words that both hold.
TwinJudge::SharedPhrases TwinJudge::shared_phrases(const Pair& pair) const {
  SharedPhrases shared;
  size_t begin = 0;
  const auto look = [&](size_t end) {
    for (size_t i = begin; i + PhraseCounts::kLongest <= end; ++i)
      ++(counts_.rows_with(pair.a, i, PhraseCounts::kLongest) >= frame_ ? shared.recurring : shared.own);
  };
  for (const Hunk& hunk : pair.hunks) {
    look(hunk.a_begin);
    begin = hunk.a_end;
  }
  look(pair.a.size());
  return shared;
}

bool TwinJudge::is_change(const Pair& pair, const Hunk& hunk) const {
  const size_t n = hunk.a_end - hunk.a_begin, m = hunk.b_end - hunk.b_begin;
  bool known = false;
  const bool one_departs = departs(pair, hunk, known);
  const auto all = [&](const std::vector<uint32_t>& words, size_t begin, size_t end, auto holds) {
    for (size_t i = begin; i < end; ++i)
      if (!holds(words[i], counts_.rows_with(words, i, 1))) return false;
    return true;
  };
  const auto is_new = [](uint32_t, uint32_t rows) { return rows <= 1; };
  const auto is_common = [](uint32_t, uint32_t rows) { return rows >= kLeastFrame; };
  const auto no_number = [](uint32_t word, uint32_t) { return !has_digit(word); };
  const bool new_a = n > 0 && all(pair.a, hunk.a_begin, hunk.a_end, is_new);
  const bool new_b = m > 0 && all(pair.b, hunk.b_begin, hunk.b_end, is_new);
  const bool numbers =
      !all(pair.a, hunk.a_begin, hunk.a_end, no_number) || !all(pair.b, hunk.b_begin, hunk.b_end, no_number);
  if (numbers) return false;
  if (is_stutter(pair.a, pair.b, hunk)) return true;
  // Where greetings vary all over the set they are a slot too.
  const auto courtesy = [&](uint32_t word, uint32_t rows) { return is_courtesy(word) && rows <= few_; };
  if (one_departs ||
      (all(pair.a, hunk.a_begin, hunk.a_end, courtesy) && all(pair.b, hunk.b_begin, hunk.b_end, courtesy)))
    return true;
  if ((n == 0 && new_b) || (m == 0 && new_a)) return true;  // words put in that no other row has
  if (!known && ((new_b && all(pair.a, hunk.a_begin, hunk.a_end, is_common)) ||
                 (new_a && all(pair.b, hunk.b_begin, hunk.b_end, is_common))))
    return true;
  return is_slip(pair, hunk);
}

bool TwinJudge::holds_number(const Pair& pair, const Hunk& hunk) {
  return std::any_of(pair.a.begin() + static_cast<ptrdiff_t>(hunk.a_begin),
                     pair.a.begin() + static_cast<ptrdiff_t>(hunk.a_end), has_digit) ||
         std::any_of(pair.b.begin() + static_cast<ptrdiff_t>(hunk.b_begin),
                     pair.b.begin() + static_cast<ptrdiff_t>(hunk.b_end), has_digit);
}

// One word for another that no other row has.
bool TwinJudge::is_lone_word(const Pair& pair, const Hunk& hunk) const {
  return hunk.a_end - hunk.a_begin == 1 && hunk.b_end - hunk.b_begin == 1 && !holds_number(pair, hunk) &&
         (counts_.rows_with(pair.a, hunk.a_begin, 1) <= 1 || counts_.rows_with(pair.b, hunk.b_begin, 1) <= 1);
}

// A word left out, so that words meet which no other row has side by side.
bool TwinJudge::is_gap(const Pair& pair, const Hunk& hunk) const {
  const size_t n = hunk.a_end - hunk.a_begin, m = hunk.b_end - hunk.b_begin;
  if (n + m != 1) return false;
  if (has_digit(n == 1 ? pair.a[hunk.a_begin] : pair.b[hunk.b_begin])) return false;
  return n == 0 ? counts_.rows_with(pair.a, hunk.a_begin - 1, 2) <= 1
                : counts_.rows_with(pair.b, hunk.b_begin - 1, 2) <= 1;
}

// Whether the rows that have these surroundings mostly agree in the filling of one row, and hardly any has the other's.
// `known` is set when there are enough rows with these surroundings to tell.
bool TwinJudge::departs(const Pair& pair, const Hunk& hunk, bool& known) const {
  const auto one_departs = [&](uint32_t around_a, uint32_t with_a, uint32_t around_b, uint32_t with_b) {
    const auto settled = [](uint32_t around, uint32_t with) { return with >= kSettled * around; };
    const auto rare = [&](uint32_t around, uint32_t with) {
      return with <= std::max<uint32_t>(kFewRows, around / 20);
    };
    return (around_a >= kLeastFrame && settled(around_a, with_a) && rare(around_a, with_b)) ||
           (around_b >= kLeastFrame && settled(around_b, with_b) && rare(around_b, with_a));
  };
  // One filling of several words for another: its first word alone says little ("el comedor", "la terraza"), so both
  // ends must depart.
  const size_t n = hunk.a_end - hunk.a_begin, m = hunk.b_end - hunk.b_begin;
  const bool fillings = std::min(n, m) >= 1 && std::max(n, m) >= 2;
  bool departs = false, known_on_the_left = false;
  for (size_t length = kPadding; length >= 2;
       --length) {  // the longest surroundings that are known, on the left
    const uint32_t a = counts_.rows_with(pair.a, hunk.a_begin - length, length);
    const uint32_t b = counts_.rows_with(pair.b, hunk.b_begin - length, length);
    if (std::max(a, b) < kLeastFrame) continue;
    known = true;
    departs = one_departs(a, counts_.rows_with(pair.a, hunk.a_begin - length, length + 1), b,
                          counts_.rows_with(pair.b, hunk.b_begin - length, length + 1));
    known_on_the_left = true;
    break;
  }
  for (size_t length = kPadding; length >= 2; --length) {  // and on the right
    const uint32_t a = counts_.rows_with(pair.a, hunk.a_end, length);
    const uint32_t b = counts_.rows_with(pair.b, hunk.b_end, length);
    if (std::max(a, b) < kLeastFrame) continue;
    known = true;
    const bool on_the_right = one_departs(a, counts_.rows_with(pair.a, hunk.a_end - 1, length + 1), b,
                                          counts_.rows_with(pair.b, hunk.b_end - 1, length + 1));
    departs = fillings && known_on_the_left ? departs && on_the_right : departs || on_the_right;
    break;
  }
  return departs;
}

// A word that no other row has and that is a typing error away from its counterpart, or the same letters parted
// otherwise ("web site").
bool TwinJudge::is_slip(const Pair& pair, const Hunk& hunk) const {
  const size_t n = hunk.a_end - hunk.a_begin, m = hunk.b_end - hunk.b_begin;
  if (n == 0 || m == 0 || n > 2 || m > 2) return false;
  const bool one_each = n == 1 && m == 1;
  if (n == 2 && m == 2) return false;
  if (one_each && counts_.rows_with(pair.a, hunk.a_begin, 1) > 1 &&
      counts_.rows_with(pair.b, hunk.b_begin, 1) > 1)
    return false;
  const std::vector<std::string> spelled_a = question_words(pair.row_a.spelled());
  const std::vector<std::string> spelled_b = question_words(pair.row_b.spelled());
  std::string a, b;
  for (size_t i = hunk.a_begin; i < hunk.a_end; ++i) a += spelled_a.at(i - kPadding);
  for (size_t i = hunk.b_begin; i < hunk.b_end; ++i) b += spelled_b.at(i - kPadding);
  if (!one_each) return a == b;
  const std::u32string letters_a = letters_of(a), letters_b = letters_of(b);
  const size_t shorter = std::min(letters_a.size(), letters_b.size());
  return shorter >= 4 && within_distance(letters_a, letters_b, shorter >= 8 ? 2 : 1);
}

}  // namespace lora
