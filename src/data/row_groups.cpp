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

// An answer of a row, with context_hash() of what stands before it and of that with the answer.
struct Exchange {
  size_t end = 0;  // messages up to and with the answer
  uint64_t context = 0, with_answer = 0;
};

struct RowTurns {
  uint64_t question = 0;  // the context of the last answer
  std::vector<Exchange> exchanges;
};

RowTurns turns_of(const Conversation& row) {
  const std::vector<uint64_t> contexts = context_hashes(row);
  RowTurns turns;
  turns.question = contexts[last_answer(row)];
  for (size_t i = 0; i < row.messages.size(); ++i)
    if (row.messages[i].role == "assistant") turns.exchanges.push_back({i + 1, contexts[i], contexts[i + 1]});
  return turns;
}

void join_equal_questions(const std::vector<Conversation>& rows, const std::vector<RowTurns>& turns,
                          Groups& groups) {
  RowsByKey by_question, by_text, by_digits;
  for (size_t i = 0; i < rows.size(); ++i) {
    by_question[turns[i].question].push_back(i);
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

// Of messages [begin, end).
bool is_telling(const Conversation& row, size_t begin, size_t end) {
  size_t words = 0;
  for (size_t i = begin; i < end; ++i)
    if (row.messages[i].role != "system") words += words_of(row.messages[i].content).size();
  return words >= kTelling;
}

// A row with the conversations in which its question is asked on the way.
void join_earlier_turns(const std::vector<Conversation>& rows, const std::vector<RowTurns>& turns,
                        Groups& groups) {
  std::unordered_map<uint64_t, size_t> asks;  // by question: the first row, whose group all others are in
  for (size_t i = 0; i < rows.size(); ++i) asks.try_emplace(turns[i].question, i);
  RowsByKey on_the_way;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<Exchange>& exchanges = turns[i].exchanges;
    for (size_t k = 0; k + 1 < exchanges.size(); ++k)
      if (asks.contains(exchanges[k].context)) on_the_way[exchanges[k].context].push_back(i);
  }
  for (const auto& [question, members] : on_the_way) {
    const size_t row = asks.at(question);
    if (is_crowd(members.size(), rows.size()) || !is_telling(rows[row], 0, last_answer(rows[row]))) continue;
    join_all(members, groups);
    groups.join(row, members[0]);
  }
}

// Rows that begin with the same `exchanges` exchanges, which do not tell them apart.
struct Alike {
  std::vector<size_t> rows;
  size_t exchanges = 0;
};

void join_conversations(const std::vector<Conversation>& rows, const std::vector<RowTurns>& turns,
                        Groups& groups) {
  std::vector<Alike> waiting(1);
  waiting[0].rows.resize(rows.size());
  std::iota(waiting[0].rows.begin(), waiting[0].rows.end(), size_t{0});
  while (!waiting.empty()) {
    const Alike alike = std::move(waiting.back());
    waiting.pop_back();
    const size_t at = alike.exchanges;  // the exchange that is looked at
    RowsByKey by_beginning;
    for (size_t i : alike.rows)
      if (at < turns[i].exchanges.size()) by_beginning[turns[i].exchanges[at].with_answer].push_back(i);
    for (auto& [key, members] : by_beginning) {
      if (members.size() < 2) continue;
      const bool several = std::any_of(members.begin(), members.end(),
                                       [&](size_t i) { return turns[i].exchanges.size() > at + 1; });
      if (!several) continue;
      const std::vector<Exchange>& any = turns[members[0]].exchanges;
      const size_t begin = at == 0 ? 0 : any[at - 1].end;
      if (is_crowd(members.size(), rows.size()) || !is_telling(rows[members[0]], begin, any[at].end))
        waiting.push_back({std::move(members), at + 1});
      else
        join_all(members, groups);
    }
  }
}

}  // namespace

std::vector<uint64_t> near_duplicate_groups(const std::vector<Conversation>& rows) {
  Groups groups(rows.size());
  std::vector<RowTurns> turns;
  turns.reserve(rows.size());
  for (const Conversation& row : rows) turns.push_back(turns_of(row));
  join_equal_questions(rows, turns, groups);
  join_earlier_turns(rows, turns, groups);
  join_conversations(rows, turns, groups);
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
