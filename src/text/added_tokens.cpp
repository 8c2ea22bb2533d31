#include "text/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/characters.h"

namespace lora {
namespace {

constexpr size_t kMaxContent =
    1024;  // bytes: the time for a text is its length times that of the longest token

}  // namespace

uint32_t AddedTokens::child(uint32_t node, uint8_t byte) const {
  if (node == 0) return root_[byte];
  for (const auto& [key, next] : nodes_[node].children)
    if (key == byte) return next;
  return 0;
}

void AddedTokens::add(std::string_view content, const AddedToken& token) {
  if (content.empty()) return;
  if (content.size() > kMaxContent)
    throw Error::input({.where = "added token " + std::to_string(token.id),
                        .found = "its text has " + std::to_string(content.size()) + " bytes",
                        .expected = "at most " + std::to_string(kMaxContent)});
  uint32_t node = 0;
  for (const char c : content) {
    uint32_t next = child(node, static_cast<uint8_t>(c));
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].children.emplace_back(static_cast<uint8_t>(c), next);
      if (node == 0) root_[static_cast<uint8_t>(c)] = next;
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return;  // the first of two equal ones counts
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  lengths_.push_back(content.size());
}

int32_t AddedTokens::longest_at(std::string_view text, size_t position, bool specials_only) const {
  int32_t found = -1;
  uint32_t node = 0;
  for (size_t i = position; i < text.size(); ++i) {
    node = child(node, static_cast<uint8_t>(text[i]));
    if (node == 0) break;
    const int32_t token = nodes_[node].token;
    if (token >= 0 && (!specials_only || tokens_[static_cast<size_t>(token)].special)) found = token;
  }
  return found;
}

std::vector<AddedTokens::Match> AddedTokens::find_all(std::string_view text, bool specials) const {
  std::vector<Match> matches;
  if (empty()) return matches;
  size_t taken = 0;  // where the last match ends
  for (size_t i = 0; i < text.size();) {
    const int32_t found = longest_at(text, i, false);
    if (found < 0) {
      ++i;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    ByteRange range{i, i + lengths_[static_cast<size_t>(found)]};
    i = range.end;
    if (token.special && !specials) continue;
    if (token.single_word) {
      const bool left =
          range.begin > 0 && is_word(utf8_at(text, previous_character(text, range.begin)).code_point);
      const bool right = range.end < text.size() && is_word(utf8_at(text, range.end).code_point);
      if (left || right) continue;
    }
    if (token.lstrip) {
      // As in Hugging Face no further than the match before, which may have taken white space of this one.
      while (range.begin > 0) {
        const size_t before = previous_character(text, range.begin);
        const Utf8Char c = utf8_at(text, before);
        if (!c.valid || before + c.length != range.begin || !is_white_space(c.code_point)) break;
        range.begin = before;
        if (range.begin <= taken) break;
      }
      range.begin = std::max(range.begin, taken);
    }
    if (token.rstrip) {
      while (range.end < text.size()) {
        const Utf8Char c = utf8_at(text, range.end);
        if (!c.valid || !is_white_space(c.code_point)) break;
        range.end += c.length;
      }
    }
    taken = range.end;
    if (range.end > range.begin) matches.push_back({range, token.id});
  }
  return matches;
}

std::optional<AddedTokens::Match> AddedTokens::find_special(std::string_view text) const {
  for (size_t i = 0; i < text.size(); ++i) {
    const int32_t found = longest_at(text, i, true);
    if (found < 0) continue;
    return Match{{i, i + lengths_[static_cast<size_t>(found)]}, tokens_[static_cast<size_t>(found)].id};
  }
  return std::nullopt;
}

}  // namespace lora
