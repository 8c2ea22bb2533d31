#include "data/row_groups.h"

#include <xxhash.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>

#include "data/row_parts.h"
#include "data/twin_rows.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr size_t kTelling = 12;  // words of an exchange that tell conversations apart

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// Lower case (ASCII), white space runs as one blank, digit runs as one 0 if asked.
std::string folded(std::string_view text, bool fold_digits) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (fold_digits && c >= '0' && c <= '9') {
      if (out.empty() || out.back() != '0') out += '0';
    } else {
      out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Sets of rows that grow together (union by the smaller index, path halving).
class Groups {
 public:
  explicit Groups(size_t rows) : parent_(rows) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t find(size_t row) {
    while (parent_[row] != row) row = parent_[row] = parent_[parent_[row]];
    return row;
  }
  void join(size_t a, size_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

using RowsByKey = std::unordered_map<uint64_t, std::vector<size_t>>;

bool is_crowd(size_t members, size_t rows) {
  return members > 10 && members * 20 > rows;
}

void join_all(const std::vector<size_t>& members, Groups& groups) {
  for (size_t i = 1; i < members.size(); ++i) groups.join(members[0], members[i]);
}

void join_equal_questions(const std::vector<Conversation>& rows, Groups& groups) {
  RowsByKey by_question, by_text, by_digits;
  for (size_t i = 0; i < rows.size(); ++i) {
    by_question[context_hash(rows[i], last_answer(rows[i]))].push_back(i);
    by_text[user_text_hash(rows[i], true)].push_back(i);
  }
  for (const auto& [key, members] : by_question) join_all(members, groups);
  for (const auto& [key, members] : by_text) {
    if (!is_crowd(members.size(), rows.size())) {
      join_all(members, groups);
      continue;
    }
    by_digits.clear();
    for (size_t i : members) by_digits[user_text_hash(rows[i], false)].push_back(i);
    for (const auto& [text, equal] : by_digits) join_all(equal, groups);
  }
}

// Messages up to and with the assistant's answer number `exchanges`; 0 when there are fewer.
size_t end_of_exchange(const Conversation& row, size_t exchanges) {
  for (size_t i = 0; i < row.messages.size(); ++i)
    if (row.messages[i].role == "assistant" && --exchanges == 0) return i + 1;
  return 0;
}

// Of messages [begin, end).
bool is_telling(const Conversation& row, size_t begin, size_t end) {
  size_t words = 0;
  for (size_t i = begin; i < end; ++i)
    if (row.messages[i].role != "system") words += words_of(row.messages[i].content).size();
  return words >= kTelling;
}

// Of the rows in `members`, whose first `exchanges - 1` exchanges do not tell them apart.
void join_conversations(const std::vector<Conversation>& rows, const std::vector<size_t>& members,
                        size_t exchanges, Groups& groups) {
  RowsByKey by_beginning;
  for (size_t i : members)
    if (const size_t end = end_of_exchange(rows[i], exchanges); end > 0)
      by_beginning[context_hash(rows[i], end)].push_back(i);
  for (const auto& [key, alike] : by_beginning) {
    if (alike.size() < 2) continue;
    const bool several = std::any_of(alike.begin(), alike.end(),
                                     [&](size_t i) { return end_of_exchange(rows[i], exchanges + 1) > 0; });
    if (!several) continue;
    const Conversation& any = rows[alike[0]];
    const size_t begin = exchanges == 1 ? 0 : end_of_exchange(any, exchanges - 1);
    if (is_crowd(alike.size(), rows.size()) || !is_telling(any, begin, end_of_exchange(any, exchanges)))
      join_conversations(rows, alike, exchanges + 1, groups);
    else
      join_all(alike, groups);
  }
}

}  // namespace

std::vector<uint64_t> near_duplicate_groups(const std::vector<Conversation>& rows) {
  Groups groups(rows.size());
  join_equal_questions(rows, groups);
  std::vector<size_t> all(rows.size());
  std::iota(all.begin(), all.end(), size_t{0});
  join_conversations(rows, all, 1, groups);
  TwinRows twins;
  for (const Conversation& row : rows) twins.add(row);
  for (const Twin& twin : twins.find([&](size_t row) { return rows[row]; }))
    groups.join(twin.first, twin.second);

  // The smallest hash among its rows names a group.
  std::vector<uint64_t> least(rows.size(), UINT64_MAX), ids(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    uint64_t& id = least[groups.find(i)];
    id = std::min(id, user_text_hash(rows[i], true));
  }
  // Groups that folding has given one name though they are told apart keep their digits in it.
  std::unordered_map<uint64_t, size_t> owner;
  std::vector<bool> shared(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t root = groups.find(i);
    const auto [at, is_new] = owner.try_emplace(least[root], root);
    if (!is_new && at->second != root) shared[at->second] = shared[root] = true;
  }
  std::vector<uint64_t> apart(rows.size(), UINT64_MAX);
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t root = groups.find(i);
    if (shared[root]) apart[root] = std::min(apart[root], user_text_hash(rows[i], false));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t root = groups.find(i);
    ids[i] = shared[root] ? apart[root] : least[root];
  }
  return ids;
}

uint64_t user_text_hash(const Conversation& row, bool fold_digits) {
  uint64_t hash = fold_digits;
  if (row.is_plain_text()) return hash_text(folded(row.text, fold_digits), hash);
  bool asked = false;
  for (const Message& message : row.messages) {
    if (message.role != "user") continue;
    hash = hash_text(folded(message.content, fold_digits), hash);
    asked = true;
  }
  return asked ? hash : content_hash(row);
}

uint64_t content_hash(const Conversation& conversation) {
  uint64_t hash = 0;
  for (const Message& message : conversation.messages) {
    hash = hash_text(message.content, hash_text(message.role, hash));
    for (const std::string* more : {&message.tool_calls, &message.name, &message.tool_call_id})
      if (!more->empty()) hash = hash_text(*more, ~hash);
  }
  for (const std::string* more : {&conversation.text, &conversation.tools})
    if (!more->empty()) hash = hash_text(*more, ~hash);
  return hash;
}

}  // namespace lora
