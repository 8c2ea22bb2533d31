// SentencePiece's precompiled character map (normalizer_spec.precompiled_charsmap): a double-array trie of byte strings
// and what each becomes (https://github.com/google/sentencepiece, builder.cc). Read-only; made for hostile bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

class Charsmap {
 public:
  // `blob` as the file holds it. Errors: kInput when its sizes contradict each other.
  Charsmap(std::string_view blob, std::string where);

  struct Match {
    size_t length;  // bytes of the text
    std::string_view replacement;
  };
  // The longest, or the shortest, entry that `text` has at `begin`. Errors: kInput when a replacement has no end.
  std::optional<Match> longest(std::string_view text, size_t begin) const { return find(text, begin, true); }
  std::optional<Match> shortest(std::string_view text, size_t begin) const {
    return find(text, begin, false);
  }

 private:
  std::optional<Match> find(std::string_view text, size_t begin, bool longest) const;

  std::string where_;
  std::vector<uint32_t> units_;
  std::string replacements_;  // each ends with a zero byte
};

}  // namespace lora
