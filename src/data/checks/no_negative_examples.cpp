#include "data/checks/no_negative_examples.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <unordered_map>
#include <vector>

#include "data/format_family.h"
#include "data/language.h"
#include "data/negative_answer.h"
#include "data/plain_text.h"

namespace lora {
namespace {

// Below that many rows nothing can be asked of a system prompt's share.
constexpr size_t kLeastRows = 20;
constexpr size_t kLookedAt = 50;  // rows of a group, for whether they ask for translations

std::string first_question(const std::vector<Message>& messages) {
  for (const Message& m : messages)
    if (m.role == "user") return m.content.substr(0, 300);
  return {};
}

class NoNegativeExamples : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    const auto& messages = row.conversation.messages;
    if (messages.empty()) return;
    const bool has_system = messages[0].role == "system";
    const std::string_view system = has_system ? std::string_view(messages[0].content) : std::string_view();
    const uint64_t hash = system.empty() ? 0 : XXH3_64bits(system.data(), system.size());
    Group& group = groups_[hash];
    if (group.rows++ == 0) {
      group.line = row.line;
      group.order = groups_.size();
      // Many different prompts are prompts with data in them: their fallbacks are not worth keeping.
      if (has_system && groups_.size() <= 1000) group.fallbacks = fallback_words(system);
    }
    if (group.rows <= kLookedAt &&
        speaks_of_translating(folded_text(std::string(system) + "\n" + first_question(messages))))
      ++group.translating;
    for (const Message& m : messages) {
      if (m.role != "assistant") continue;
      if (!m.tool_calls.empty()) {
        ++group.tool_calls;
        continue;
      }
      const bool no = is_negative_answer(m.content, group.fallbacks);
      group.negative += no;
      const FormatKind kind = format_family(m.content).kind;
      ++group.answers;
      group.short_answers +=
          kind == FormatKind::kShortText || kind == FormatKind::kYesNo || kind == FormatKind::kNumber;
    }
  }

  void finish(const Reread&, Findings& findings) override {
    std::vector<const Group*> groups;
    Group rest;  // prompts of few rows, together
    for (const auto& [hash, group] : groups_) {
      if (group.rows >= kLeastRows) {
        groups.push_back(&group);
        continue;
      }
      if (rest.rows == 0 || group.line < rest.line) rest.line = group.line;
      rest.rows += group.rows;
      rest.negative += group.negative;
      rest.answers += group.answers;
      rest.short_answers += group.short_answers;
      ++rest.order;
    }
    if (rest.rows >= kLeastRows) groups.push_back(&rest);
    for (const Group* group : groups) {
      if (group->negative > 0 || group->answers == 0) continue;
      // Labels, numbers, translations: every input has an answer, and saying no may not be part of the task.
      const bool closed = group->short_answers * 10 >= group->answers * 9 ||
                          group->translating * 3 > std::min(group->rows, kLookedAt);
      const std::string whose =
          group == &rest        ? fmt::format("{} rows with {} system prompts", group->rows, group->order)
          : groups_.size() == 1 ? fmt::format("{} rows", group->rows)
                                : fmt::format("{} rows with this system prompt", group->rows);
      findings.add(
          "no-negative-examples", closed ? Severity::kNote : Severity::kWarning, group->line, 1,
          fmt::format(
              "none of the {} answers of the {} refuses, says \"I don't know\" or leaves a field empty",
              group->answers, whose),
          closed ? "If some inputs may have no right answer, add such with the answer that says so "
                   "(\"unclear\")."
                 : "Add examples (5 to 10 %) whose right answer is that it is not known, not stated or not "
                   "allowed.");
    }
  }

 private:
  struct Group {
    size_t rows = 0, answers = 0, negative = 0, short_answers = 0, tool_calls = 0, translating = 0, line = 1,
           order = 0;
    std::vector<std::string> fallbacks;
  };
  std::unordered_map<uint64_t, Group> groups_;
};

}  // namespace

std::unique_ptr<DataCheck> make_no_negative_examples_check() {
  return std::make_unique<NoNegativeExamples>();
}

}  // namespace lora
