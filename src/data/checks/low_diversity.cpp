#include "data/checks/low_diversity.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "data/format_family.h"
#include "data/negative_answer.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kLeastAnswers = 20, kLeastOpenings = 30;
constexpr size_t kOpeningWords = 4;
constexpr size_t kVocabularyWords = 5000;       // questions are compared over that many words
constexpr size_t kLeastVocabularyWords = 1500;  // fewer say nothing
constexpr size_t kMostDifferent = 1'000'000;    // different answers counted of one prompt

uint64_t hash_of(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

struct Count {
  uint32_t count = 0, row = 0, line = 0;
};
using Counts = std::unordered_map<uint64_t, Count>;

const Count* largest(const Counts& counts) {
  const Count* most = nullptr;
  for (const auto& [hash, count] : counts)
    if (most == nullptr || count.count > most->count ||
        (count.count == most->count && count.line < most->line))
      most = &count;
  return most;
}

class LowDiversity : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    const auto& messages = row.conversation.messages;
    if (messages.empty()) return;
    const std::string_view system = system_prompt(row.conversation);
    Group& group = groups_[system.empty() ? 0 : hash_of(system)];
    if (group.line == 0) group.line = row.line;
    bool first = true;
    for (size_t m = 0; m < messages.size(); ++m) {
      if (messages[m].role == "user" && group.words < kVocabularyWords)
        count_words(group, messages[m].content);
      if (messages[m].role != "assistant" || !messages[m].tool_calls.empty()) continue;
      const std::string_view text = trimmed_text(messages[m].content);
      if (text.empty()) continue;
      const std::string folded = folded_text(text.substr(0, 4000));
      ++group.answers;
      count(group.equal, hash_of(folded), row, m);
      const FormatKind kind = format_family(text).kind;
      group.prose += is_prose_format(kind);
      if (is_prose_format(kind) && first && text.size() >= 40) {
        ++group.openings_seen;
        std::string opening;
        for (const std::string_view word :
             space_words(std::string_view(folded).substr(0, 200), kOpeningWords))
          opening += std::string(word) + ' ';
        count(group.openings, hash_of(opening), row, m);
      }
      first = false;
    }
  }

  void finish(const Reread& reread, Findings& findings) override {
    std::vector<const Group*> groups;
    for (const auto& [hash, group] : groups_) groups.push_back(&group);
    std::sort(groups.begin(), groups.end(), [](const Group* a, const Group* b) { return a->line < b->line; });
    for (const Group* group : groups) judge(*group, reread, findings);
  }

 private:
  struct Group {
    size_t line = 0, answers = 0, prose = 0, openings_seen = 0, words = 0;
    Counts equal, openings;
    std::unordered_set<uint64_t> bigrams;
    uint64_t last_word = 0;
  };

  static void count(Counts& counts, uint64_t hash, const Row& row, size_t message) {
    const auto at = counts.find(hash);
    if (at == counts.end() && counts.size() >= kMostDifferent) return;
    Count& c = at == counts.end() ? counts[hash] : at->second;
    if (c.count++ == 0) c = {1, static_cast<uint32_t>(row.index), static_cast<uint32_t>(row.line)};
    (void)message;
  }

  static void count_words(Group& group, std::string_view text) {
    const std::string folded = folded_text(text.substr(0, 2000));
    for (const std::string_view word : space_words(folded)) {
      const uint64_t hash = hash_of(word);
      group.bigrams.insert(mix64(group.last_word, hash));
      group.last_word = hash;
      if (++group.words >= kVocabularyWords) return;
    }
  }

  static void judge(const Group& group, const Reread& reread, Findings& findings) {
    const auto text_of = [&](const Count& c) {
      const Conversation row = reread(c.row);
      std::string text;
      for (const Message& m : row.messages)
        if (m.role == "assistant") text = m.content;
      return first_characters(trimmed_text(text), 60);
    };
    const Count* equal = largest(group.equal);
    const bool is_prose = group.prose * 2 > group.answers;
    // One sentence for all that is refused is good style, up to half of the answers.
    const bool refuses = equal != nullptr && is_prose && is_negative_answer(text_of(*equal));
    if (group.answers >= kLeastAnswers && equal != nullptr &&
        equal->count * 100 >= group.answers * (refuses    ? 50
                                               : is_prose ? 30
                                                          : 90)) {
      findings.add(
          "low-diversity", equal->line, 1,
          fmt::format("{} of {} answers {} the same: \"{}\"", equal->count, group.answers,
                      equal->count == group.answers ? "are all" : "are", text_of(*equal)),
          is_prose
              ? "Vary the answers, or leave most of these rows out: the model will learn to say just this."
              : "Add examples of the other classes: always giving this answer would be right nearly always.");
      return;
    }
    const Count* opening = largest(group.openings);
    if (group.openings_seen >= kLeastOpenings && group.openings_seen * 2 > group.answers &&
        opening != nullptr && opening->count * 10 >= group.openings_seen * 8)
      findings.add(
          "low-diversity", opening->line, 1,
          fmt::format("{} of {} answers begin with the same {} words: \"{}\"", opening->count,
                      group.openings_seen, kOpeningWords, text_of(*opening)),
          "Vary how answers begin, or leave the phrase out: the model will open every answer with it.");
    if (group.words >= kLeastVocabularyWords && group.bigrams.size() * 20 < group.words)
      findings.add("low-diversity", group.line, 1,
                   fmt::format("the questions hardly vary: {} different pairs of words among {}",
                               group.bigrams.size(), group.words),
                   "Add questions that are put in other words and about other things.");
  }

  std::unordered_map<uint64_t, Group> groups_;
};

}  // namespace

std::unique_ptr<DataCheck> make_low_diversity_check() {
  return std::make_unique<LowDiversity>();
}

}  // namespace lora
