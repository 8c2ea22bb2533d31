#include "run/few_shot.h"

#include <algorithm>
#include <set>
#include <span>

#include "base/random.h"
#include "data/split.h"

namespace lora {
namespace {

// The question and the answer of a row that is nothing but these.
std::span<const Message> only_turn(const Conversation& row) {
  std::span<const Message> messages(row.messages);
  if (!messages.empty() && messages[0].role == "system") messages = messages.subspan(1);
  const bool fits = messages.size() == 2 && messages[0].role == "user" && messages[1].role == "assistant" &&
                    messages[1].tool_calls.empty() && row.tools.empty();
  return fits ? messages : std::span<const Message>();
}

}  // namespace

FewShotExamples::FewShotExamples(const std::vector<Conversation>& training_rows, uint64_t seed) {
  std::vector<std::pair<uint64_t, const Conversation*>> rows;
  for (const Conversation& row : training_rows)
    if (!only_turn(row).empty()) rows.emplace_back(mix64(seed, content_hash(row)), &row);
  std::ranges::sort(rows, {}, [](const auto& row) { return row.first; });
  std::map<std::string, std::set<std::string>> seen;  // answers, by system prompt
  for (const bool repeated : {false, true}) {
    for (auto& [hash, row] : rows) {
      if (!row) continue;
      const std::string system(system_prompt(*row));
      const auto turn = only_turn(*row);
      if (!seen[system].insert(turn[1].content).second && !repeated) continue;
      by_system_prompt_[system].emplace_back(turn.begin(), turn.end());
      row = nullptr;
    }
  }
}

std::vector<Message> FewShotExamples::prompt(const Conversation& row, size_t k) const {
  std::vector<Message> messages(row.messages.begin(), row.messages.end() - 1);
  const auto group = by_system_prompt_.find(std::string(system_prompt(row)));
  if (group == by_system_prompt_.end()) return messages;
  auto place = messages.begin() + (messages[0].role == "system" ? 1 : 0);
  std::vector<Message> shown;
  for (size_t i = 0; i < std::min(k, group->second.size()); ++i)
    shown.insert(shown.end(), group->second[i].begin(), group->second[i].end());
  messages.insert(place, shown.begin(), shown.end());
  return messages;
}

bool FewShotExamples::any_for(const std::vector<Conversation>& rows) const {
  return std::ranges::any_of(rows, [&](const Conversation& row) {
    return by_system_prompt_.contains(std::string(system_prompt(row)));
  });
}

}  // namespace lora
