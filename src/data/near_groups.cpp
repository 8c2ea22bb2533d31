#include "data/near_groups.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/utf8.h"
#include "data/plain_text.h"
#include "data/word_difference.h"

namespace lora {
namespace {

constexpr size_t kLongestText = 20'000;  // bytes looked at

// A text in pieces that can differ: words with the blanks behind them, single marks.
std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    for (Utf8Char c{}; end < text.size(); end += c.length) {
      c = utf8_at(text, end);
      if (!c.valid || !is_word_character(c.code_point)) break;
    }
    if (end == i) end += utf8_at(text, i).length;
    while (end < text.size() && is_blank(text[end])) ++end;
    pieces.push_back(text.substr(i, end - i));
    i = end;
  }
  return pieces;
}

std::vector<uint32_t> hashes_of(const std::vector<std::string_view>& pieces) {
  std::vector<uint32_t> out;
  for (const std::string_view piece : pieces)
    out.push_back(static_cast<uint32_t>(XXH3_64bits(piece.data(), piece.size())));
  return out;
}

void append(std::vector<TextPart>& parts, std::string_view text, bool differs) {
  if (text.empty()) return;
  if (!parts.empty() && parts.back().differs == differs)
    parts.back().text += text;
  else
    parts.push_back({std::string(text), differs});
}

size_t character_start(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

void cut(std::vector<TextPart>& parts, size_t around) {
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string& text = parts[i].text;
    const size_t head = i == 0 ? 0 : around, tail = i + 1 == parts.size() ? 0 : around;
    const size_t keep = parts.size() == 1 ? 2 * around : head + tail;
    if (text.size() <= keep + 16) continue;
    if (parts.size() == 1 || parts[i].differs) {
      text.resize(character_start(text, 2 * around));
      text += "…";
    } else {
      const std::string end = text.substr(character_start(text, text.size() - tail));
      text.resize(character_start(text, head));
      text.append(head > 0 ? " … " : "… ").append(end);
    }
  }
}

std::string question_of(const Conversation& row) {
  std::string out = row.text;
  for (const Message& m : row.messages)
    if (m.role == "user" || m.role == "tool") out.append(out.empty() ? "" : "\n").append(m.content);
  return out.substr(0, kLongestText);
}

std::string answer_of(const Conversation& row) {
  std::string out;
  for (const Message& m : row.messages)
    if (m.role == "assistant") out.append(out.empty() ? "" : "\n").append(m.content).append(m.tool_calls);
  return out.substr(0, kLongestText);
}

NearGroup group_of(const std::vector<size_t>& members,
                   const std::map<std::pair<size_t, size_t>, double>& nearness,
                   const std::vector<size_t>& lines, const Reread& reread) {
  NearGroup group;
  group.size = members.size();
  Conversation first;
  for (size_t k = 0; k < members.size() && k < NearGroups::kMostRows; ++k) {
    const Conversation row = reread(members[k]);
    NearRow shown{.line = lines[members[k]], .similarity = 1, .question = {}, .answer = {}};
    if (k == 0) {
      first = row;
    } else {
      const auto at = nearness.find({members[0], members[k]});
      shown.similarity = at == nearness.end() ? 0 : at->second;
      auto question = marked_difference(question_of(first), question_of(row));
      auto answer = marked_difference(answer_of(first), answer_of(row));
      if (k == 1) {  // the first is marked against the second
        group.rows[0].question = std::move(question.first);
        group.rows[0].answer = std::move(answer.first);
      }
      shown.question = std::move(question.second);
      shown.answer = std::move(answer.second);
    }
    group.rows.push_back(std::move(shown));
  }
  return group;
}

}  // namespace

std::pair<std::vector<TextPart>, std::vector<TextPart>> marked_difference(std::string_view a,
                                                                          std::string_view b, size_t around) {
  const auto pieces_a = pieces_of(a), pieces_b = pieces_of(b);
  std::vector<TextPart> parts_a, parts_b;
  size_t i = 0, j = 0;
  const auto take = [](const auto& pieces, size_t& at, size_t end, std::vector<TextPart>& out, bool differs) {
    for (; at < end; ++at) append(out, pieces[at], differs);
  };
  for (const Hunk& hunk : word_difference(hashes_of(pieces_a), hashes_of(pieces_b))) {
    take(pieces_a, i, hunk.a_begin, parts_a, false);
    take(pieces_b, j, hunk.b_begin, parts_b, false);
    take(pieces_a, i, hunk.a_end, parts_a, true);
    take(pieces_b, j, hunk.b_end, parts_b, true);
  }
  take(pieces_a, i, pieces_a.size(), parts_a, false);
  take(pieces_b, j, pieces_b.size(), parts_b, false);
  cut(parts_a, around);
  cut(parts_b, around);
  return {std::move(parts_a), std::move(parts_b)};
}

NearGroups near_groups(const std::vector<Twin>& twins, const std::vector<size_t>& lines,
                       const std::vector<uint64_t>& hashes, const Reread& reread) {
  std::vector<size_t> root(lines.size());
  std::iota(root.begin(), root.end(), size_t{0});
  const auto find = [&](size_t row) {
    while (root[row] != row) row = root[row] = root[root[row]];
    return row;
  };
  std::map<std::pair<size_t, size_t>, double> nearness;
  for (const Twin& twin : twins) {
    const size_t a = find(twin.first), b = find(twin.second);
    root[std::max(a, b)] = std::min(a, b);
    if (nearness.size() < 1'000'000) nearness.emplace(std::pair(twin.first, twin.second), twin.similarity);
  }
  std::map<size_t, std::vector<size_t>> by_root;
  for (const Twin& twin : twins) by_root[find(twin.first)];
  for (size_t row = 0; row < lines.size(); ++row)
    if (const auto at = by_root.find(find(row)); at != by_root.end()) {
      // One row for each text: a copy shows nothing new.
      const auto same = [&](size_t other) { return hashes[other] == hashes[row]; };
      if (at->second.size() >= 64 || std::ranges::none_of(at->second, same)) at->second.push_back(row);
    }
  std::vector<const std::vector<size_t>*> groups;
  for (const auto& [first, members] : by_root)
    if (members.size() >= 2) groups.push_back(&members);
  std::stable_sort(groups.begin(), groups.end(), [](auto* a, auto* b) { return a->size() > b->size(); });
  NearGroups out;
  out.found = groups.size();
  for (size_t i = 0; i < groups.size() && i < NearGroups::kMostGroups; ++i)
    out.groups.push_back(group_of(*groups[i], nearness, lines, reread));
  return out;
}

}  // namespace lora
