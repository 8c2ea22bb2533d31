#include "text/added_tokens.h"

#include <unicode/uchar.h>

#include "base/utf8.h"

namespace lora {
namespace {

bool is_space(uint32_t c) {
  return u_isUWhiteSpace(static_cast<UChar32>(c));
}
bool is_word(uint32_t c) {
  return c == '_' || u_isalnum(static_cast<UChar32>(c)) ||
         (U_GET_GC_MASK(static_cast<UChar32>(c)) & (U_GC_M_MASK | U_GC_PC_MASK));
}

// The start of the character that ends at `end`.
size_t previous(std::string_view text, size_t end) {
  size_t i = end - 1;
  while (i > 0 && end - i < 4 && (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

}  // namespace

uint32_t AddedTokens::child(uint32_t node, uint8_t byte) const {
  for (const auto& [key, next] : nodes_[node].children)
    if (key == byte) return next;
  return 0;
}

void AddedTokens::add(std::string_view content, const AddedToken& token) {
  if (content.empty()) return;
  uint32_t node = 0;
  for (const char c : content) {
    uint32_t next = child(node, static_cast<uint8_t>(c));
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].children.emplace_back(static_cast<uint8_t>(c), next);
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return;  // the first of two equal ones counts
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  lengths_.push_back(content.size());
}

int32_t AddedTokens::longest_at(std::string_view text, size_t position, bool specials_only,
                                bool specials) const {
  int32_t found = -1;
  uint32_t node = 0;
  for (size_t i = position; i < text.size(); ++i) {
    node = child(node, static_cast<uint8_t>(text[i]));
    if (node == 0) break;
    const int32_t token = nodes_[node].token;
    if (token < 0) continue;
    const bool special = tokens_[static_cast<size_t>(token)].special;
    if (special ? specials : !specials_only) found = token;
  }
  return found;
}

std::vector<AddedTokens::Match> AddedTokens::find_all(std::string_view text, bool specials) const {
  std::vector<Match> matches;
  if (empty()) return matches;
  size_t taken = 0;  // where the last match ends
  for (size_t i = 0; i < text.size();) {
    const int32_t found = longest_at(text, i, false, specials);
    if (found < 0) {
      ++i;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    ByteRange range{i, i + lengths_[static_cast<size_t>(found)]};
    i = range.end;
    if (token.single_word) {
      const bool left = range.begin > 0 && is_word(utf8_at(text, previous(text, range.begin)).code_point);
      const bool right = range.end < text.size() && is_word(utf8_at(text, range.end).code_point);
      if (left || right) continue;
    }
    if (token.lstrip) {
      while (range.begin > taken) {
        const size_t before = previous(text, range.begin);
        const Utf8Char c = utf8_at(text, before);
        if (!c.valid || !is_space(c.code_point) || before < taken) break;
        range.begin = before;
      }
    }
    if (token.rstrip) {
      while (range.end < text.size()) {
        const Utf8Char c = utf8_at(text, range.end);
        if (!c.valid || !is_space(c.code_point)) break;
        range.end += c.length;
      }
      i = range.end;
    }
    taken = range.end;
    matches.push_back({range, token.id});
  }
  return matches;
}

std::optional<AddedTokens::Match> AddedTokens::find_special(std::string_view text) const {
  for (size_t i = 0; i < text.size(); ++i) {
    const int32_t found = longest_at(text, i, true, true);
    if (found < 0) continue;
    return Match{{i, i + lengths_[static_cast<size_t>(found)]}, tokens_[static_cast<size_t>(found)].id};
  }
  return std::nullopt;
}

}  // namespace lora
