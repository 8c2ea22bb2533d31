#include "text/charsmap.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace lora {
namespace {

constexpr size_t kLongestReplacement = 256;  // bytes; the longest in NFKC has 33

[[noreturn]] void damaged(const std::string& where, const std::string& found) {
  throw Error::input({.where = where + ": precompiled_charsmap",
                      .found = found,
                      .fix = "The tokenizer is damaged; download it again."});
}

// A unit of the Darts-clone double array.
bool has_leaf(uint32_t unit) {
  return unit >> 8 & 1;
}
uint32_t value_of(uint32_t unit) {
  return unit & 0x7FFFFFFFu;
}
uint32_t label_of(uint32_t unit) {
  return unit & 0x800000FFu;
}
uint32_t offset_of(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, std::string where) : where_(std::move(where)) {
  uint32_t trie_bytes = 0;
  if (blob.size() < sizeof(trie_bytes)) damaged(where_, "it has " + std::to_string(blob.size()) + " bytes");
  std::memcpy(&trie_bytes, blob.data(), sizeof(trie_bytes));
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - sizeof(trie_bytes))
    damaged(where_, "a trie of " + std::to_string(trie_bytes) + " bytes is announced, " +
                        std::to_string(blob.size() - sizeof(trie_bytes)) + " are left");
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), blob.data() + sizeof(trie_bytes), trie_bytes);
  replacements_ = blob.substr(sizeof(trie_bytes) + trie_bytes);
}

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, size_t begin, bool longest) const {
  std::optional<Match> best;
  uint64_t node = offset_of(units_[0]);
  for (size_t i = begin; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size()) break;
    const uint32_t unit = units_[node];
    if (label_of(unit) != byte) break;
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    const size_t at = value_of(units_[node]);
    if (at >= replacements_.size()) break;
    const std::string_view rest = std::string_view(replacements_).substr(at, kLongestReplacement + 1);
    const size_t length = std::min(rest.find('\0'), rest.size());
    if (length > kLongestReplacement) damaged(where_, "a replacement is longer than a character can need");
    best = Match{i + 1 - begin, rest.substr(0, length)};
    if (!longest) break;
  }
  return best;
}

}  // namespace lora
