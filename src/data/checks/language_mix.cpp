#include "data/checks/language_mix.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <vector>

#include "data/format_family.h"
#include "data/language.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kLeastForNorm = 20;
constexpr size_t kMostCandidates = 2000;

struct Turn {  // 32 bytes
  uint32_t row, line, message, question_message;
  uint32_t answer_column, question_column, group;
  Language question, answer, second_half;
};

// Only text for people has a language.
Language language_of(std::string_view text) {
  const std::string_view t = trimmed_text(text);
  if (t.empty() || t[0] == '{' || t[0] == '[' || t[0] == '<') return Language::kUnknown;
  return guess_language(t);
}

class LanguageMix : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    const auto& messages = row.conversation.messages;
    if (messages.empty()) return;
    const std::string_view system = system_prompt(row.conversation);
    const uint64_t hash = system.empty() ? 0 : XXH3_64bits(system.data(), system.size());
    const uint32_t group = groups_.try_emplace(hash, static_cast<uint32_t>(groups_.size())).first->second;
    Language question = Language::kUnknown;
    size_t question_message = 0;
    for (size_t m = 0; m < messages.size(); ++m) {
      if (messages[m].role == "user") {
        question = language_of(messages[m].content);
        question_message = m;
      }
      if (messages[m].role != "assistant") continue;
      const std::string_view text = trimmed_text(messages[m].content);
      Turn turn{.row = static_cast<uint32_t>(row.index),
                .line = static_cast<uint32_t>(row.line),
                .message = static_cast<uint32_t>(m),
                .question_message = static_cast<uint32_t>(question_message),
                .answer_column = 1,
                .question_column = 1,
                .group = group,
                .question = question,
                .answer = language_of(text),
                .second_half = Language::kUnknown};
      if (turn.answer == Language::kUnknown && question == Language::kUnknown) continue;
      if (text.size() >= 160 && text[0] != '{' && text[0] != '[') {
        size_t half = text.find_first_of(" \n", text.size() / 2);
        if (half == std::string_view::npos) half = text.size();
        const Language first = guess_language(text.substr(0, half)),
                       second = guess_language(text.substr(half));
        if (!may_be_same(first, second)) {
          turn.answer = first;
          turn.second_half = second;
        }
      }
      turn.answer_column = static_cast<uint32_t>(row.column(m, 0));
      turn.question_column = static_cast<uint32_t>(row.column(question_message, 0));
      turns_.push_back(turn);
    }
  }

  void finish(const Reread& reread, Findings& findings) override {
    std::unordered_map<uint32_t, size_t> sizes;
    for (const Turn& t : turns_) ++sizes[t.group];
    std::map<uint32_t, std::vector<const Turn*>> groups;
    for (const Turn& t : turns_) groups[sizes[t.group] >= kLeastForNorm ? t.group : UINT32_MAX].push_back(&t);
    for (const auto& [group, turns] : groups) judge(turns, reread, findings);
  }

 private:
  struct Norm {
    Language language = Language::kUnknown;
    size_t known = 0, with = 0;
    bool clear() const { return known >= kLeastForNorm && with * 100 >= known * 95; }
  };
  template <class Get>
  static Norm norm_of(const std::vector<const Turn*>& turns, Get&& get) {
    std::array<size_t, kLanguages> counts{};
    Norm norm;
    for (const Turn* t : turns)
      if (get(*t) != Language::kUnknown) ++counts[static_cast<size_t>(get(*t))], ++norm.known;
    const auto most = std::max_element(counts.begin(), counts.end());
    norm.language = static_cast<Language>(most - counts.begin());
    for (const Turn* t : turns)
      norm.with += get(*t) != Language::kUnknown && may_be_same(get(*t), norm.language);
    return norm;
  }

  void judge(const std::vector<const Turn*>& turns, const Reread& reread, Findings& findings) {
    const Norm answers = norm_of(turns, [](const Turn& t) { return t.answer; });
    const Norm questions = norm_of(turns, [](const Turn& t) { return t.question; });
    size_t pairs = 0, unlike = 0, halves = 0, foreign_rows = 0, foreign_questions = 0;
    for (const Turn* t : turns) {
      const bool both = t->answer != Language::kUnknown && t->question != Language::kUnknown;
      pairs += both;
      unlike += both && !may_be_same(t->answer, t->question);
      halves += t->second_half != Language::kUnknown;
      foreign_rows += !may_be_same(t->question, questions.language) && may_be_same(t->answer, t->question);
      foreign_questions += t->answer == Language::kUnknown && !may_be_same(t->question, questions.language);
    }
    const size_t n = turns.size();
    const bool unlike_is_rare = unlike <= std::max<size_t>(2, pairs / 10) && unlike * 3 <= pairs;
    const bool halves_are_rare = halves <= std::max<size_t>(1, n / 50);
    const bool foreign_rows_are_rare =
        questions.clear() && n >= 50 && foreign_rows <= std::max<size_t>(1, n / 100);
    // Labels and numbers have no language to tell a row in another language by.
    const bool foreign_questions_are_rare =
        questions.clear() && n >= 50 && foreign_questions <= std::max<size_t>(2, n * 3 / 100);
    const bool translates = pairs >= kLeastForNorm && pairs - unlike <= std::max<size_t>(1, pairs / 33);
    size_t looked = 0;
    const auto asked = [&](const Turn& t, Language language) {
      if (++looked > kMostCandidates) return true;
      const Conversation row = reread(t.row);
      std::string before;
      for (size_t m = 0; m < row.messages.size() && m < t.message; ++m)
        before += row.messages[m].content + "\n";
      return speaks_of_language(folded_text(before), language);
    };
    const std::string_view fix =
        "Write question and answer in one language, or say in the question which one is wanted.";
    for (const Turn* t : turns) {
      const std::string_view answer = language_name(t->answer), question = language_name(t->question);
      if (t->second_half != Language::kUnknown && halves_are_rare && !asked(*t, t->second_half) &&
          !asked(*t, t->answer)) {
        findings.add(
            "language-mix", t->line, t->answer_column,
            fmt::format("the answer begins in {} and goes on in {}", answer, language_name(t->second_half)),
            std::string(fix));
      } else if (unlike_is_rare && !may_be_same(t->answer, t->question)) {
        if (!asked(*t, t->answer))
          findings.add("language-mix", t->line, t->answer_column,
                       fmt::format("the answer is in {}, its question in {}", answer, question),
                       std::string(fix));
      } else if (translates && t->answer != Language::kUnknown && t->answer == t->question) {
        findings.add(
            "language-mix", t->line, t->answer_column,
            fmt::format(
                "the answer is in {} like its question; {} of {} answers are in another language than theirs",
                answer, unlike, pairs),
            "Translate the answer.");
      } else if (answers.clear() && !may_be_same(t->answer, answers.language) &&
                 t->question == Language::kUnknown) {
        if (answers.known - answers.with <= std::max<size_t>(1, n / 33) && !asked(*t, t->answer))
          findings.add("language-mix", t->line, t->answer_column,
                       fmt::format("the answer is in {}; {} of {} are in {}", answer, answers.with,
                                   answers.known, language_name(answers.language)),
                       std::string(fix));
      } else if (answers.clear() && !unlike_is_rare && !may_be_same(t->answer, answers.language) &&
                 answers.known - answers.with <= std::max<size_t>(1, n / 33)) {
        if (!asked(*t, t->answer) || is_translation_into(answers.language, *t, reread))
          findings.add("language-mix", t->line, t->answer_column,
                       fmt::format("the answer is in {}; {} of {} are in {}", answer, answers.with,
                                   answers.known, language_name(answers.language)),
                       std::string(fix));
      } else if ((foreign_rows_are_rare || (foreign_questions_are_rare && t->answer == Language::kUnknown)) &&
                 !may_be_same(t->question, questions.language) && may_be_same(t->answer, t->question)) {
        if (!asked(*t, t->question))
          findings.add("language-mix", t->line, t->question_column,
                       fmt::format("the question is in {}; {} of {} are in {}", question, questions.with,
                                   questions.known, language_name(questions.language)),
                       "If that is not meant, translate the row; if it is, add more rows in this language.");
      }
    }
  }

  // A system prompt or question that names the norm's language and not the answer's: "Translate into French".
  static bool is_translation_into(Language norm, const Turn& t, const Reread& reread) {
    const Conversation row = reread(t.row);
    std::string before;
    for (size_t m = 0; m < row.messages.size() && m < t.message; ++m)
      before += row.messages[m].content + "\n";
    const std::string folded = folded_text(before);
    return names_language(folded, norm) && !names_language(folded, t.answer);
  }
  static bool names_language(std::string_view folded, Language language) {
    return contains_word(folded, folded_text(language_name(language)));
  }

  std::unordered_map<uint64_t, uint32_t> groups_;
  std::vector<Turn> turns_;
};

}  // namespace

std::unique_ptr<DataCheck> make_language_mix_check() {
  return std::make_unique<LanguageMix>();
}

}  // namespace lora
