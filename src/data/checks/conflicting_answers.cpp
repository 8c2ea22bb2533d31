#include "data/checks/conflicting_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "data/row_parts.h"
#include "data/same_answer.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr size_t kLongAnswer = 20;    // words; from here on an answer may be one of many good ones
constexpr size_t kMostCompared = 50;  // different answers to one question that are told apart

class ConflictingAnswersCheck : public DataCheck {
 public:
  // Every turn is looked at: what leads to it is the question. After the first turn that differs the contexts differ
  // too, so a row is named once.
  void see(const Row& row, Findings&) override {
    const std::vector<Message>& messages = row.conversation.messages;
    const std::vector<uint64_t> contexts = context_hashes(row.conversation);
    for (size_t i = 0; i < messages.size(); ++i) {
      const Message& message = messages[i];
      if (message.role != "assistant" || !message.train) continue;
      turns_.push_back({contexts[i], words_hash(message.content, words_hash(message.tool_calls)),
                        static_cast<uint32_t>(row.index), static_cast<uint32_t>(i), row.line});
    }
  }

  void finish(const Reread& reread, Findings& findings) override {
    std::sort(turns_.begin(), turns_.end(), [](const Turn& a, const Turn& b) {
      return std::tie(a.question, a.row, a.message) < std::tie(b.question, b.row, b.message);
    });
    for (size_t begin = 0; begin < turns_.size();) {
      size_t end = begin + 1;
      while (end < turns_.size() && turns_[end].question == turns_[begin].question) ++end;
      if (end - begin > 1) compare(begin, end, reread, findings);
      begin = end;
    }
  }

 private:
  struct Turn {
    uint64_t question, answer;
    uint32_t row, message;
    size_t line;
  };
  struct Answer {
    Message message;
    size_t rows = 0, line = 0;
  };

  void compare(size_t begin, size_t end, const Reread& reread, Findings& findings) {
    std::vector<Answer> answers;       // that say different things
    std::map<uint64_t, size_t> which;  // by their words
    std::vector<size_t> of_turn(end - begin, SIZE_MAX);
    for (size_t i = begin; i < end; ++i) {
      const Turn& turn = turns_[i];
      auto at = which.find(turn.answer);
      if (at == which.end()) {
        if (which.size() == kMostCompared) continue;
        Message message = reread(turn.row).messages.at(turn.message);
        size_t k = 0;
        while (k < answers.size() && !say_the_same(answers[k].message, message)) ++k;
        if (k == answers.size()) answers.push_back({std::move(message), 0, turn.line});
        at = which.emplace(turn.answer, k).first;
      }
      ++answers[at->second].rows;
      of_turn[i - begin] = at->second;
    }
    if (answers.size() < 2) return;
    const size_t usual =
        static_cast<size_t>(std::max_element(answers.begin(), answers.end(),
                                             [](const auto& a, const auto& b) { return a.rows < b.rows; }) -
                            answers.begin());
    for (size_t i = begin; i < end; ++i) {
      const size_t k = of_turn[i - begin];
      if (k == usual) continue;
      const Answer& other = answers[usual];
      const size_t column = 1;
      const bool open = k == SIZE_MAX || (words_of(answers[k].message.content).size() >= kLongAnswer &&
                                          words_of(other.message.content).size() >= kLongAnswer);
      const std::string which_rows = other.rows > 1
                                         ? fmt::format("line {} and {} more", other.line, other.rows - 1)
                                         : fmt::format("line {}", other.line);
      if (open)
        findings.add("conflicting-answers", turns_[i].line, column,
                     fmt::format("the same question as on {}, with another answer", which_rows),
                     "Keep the better answer; where many answers are right, keep both and ignore this.");
      else
        findings.add("conflicting-answers", turns_[i].line, column,
                     fmt::format("the same question as on {}, but the answer is {} here and {} there",
                                 which_rows, quoted(answers[k].message), quoted(other.message)),
                     "Decide which answer is right and remove the other row.");
    }
  }

  static std::string quoted(const Message& message) {
    const std::string& text = message.content.empty() ? message.tool_calls : message.content;
    constexpr size_t kShown = 60;
    size_t length = std::min(kShown, text.size());
    while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
      --length;
    std::string shown = "\"";
    for (const char c : text.substr(0, length)) shown += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    return shown + (length < text.size() ? "…\"" : "\"");
  }

  std::vector<Turn> turns_;
};

}  // namespace

std::unique_ptr<DataCheck> make_conflicting_answers_check() {
  return std::make_unique<ConflictingAnswersCheck>();
}

}  // namespace lora
