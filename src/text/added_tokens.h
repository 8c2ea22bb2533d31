// Finds a vocabulary's added tokens ("<|im_end|>", "<think>") in text: the leftmost first, and of those the longest,
// with the flags lstrip, rstrip and single_word of Hugging Face's AddedToken.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/pattern.h"
#include "text/vocabulary.h"

namespace lora {

class AddedTokens {
 public:
  struct Match {
    ByteRange range;
    int32_t id;
  };

  AddedTokens() : nodes_(1) {}
  // Errors: kInput when `content` is absurdly long.
  void add(std::string_view content, const AddedToken& token);

  // Matches from the left, with what their flags take of the text around. `specials` false: control tokens are passed
  // over. As in Hugging Face a match may lie in white space that the one before took (rstrip), and so overlap it.
  std::vector<Match> find_all(std::string_view text, bool specials) const;
  // The first control token in `text`, if any; flags are ignored.
  std::optional<Match> find_special(std::string_view text) const;
  bool empty() const { return nodes_.size() == 1; }

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;
    int32_t token = -1;  // index into tokens_
  };
  uint32_t child(uint32_t node, uint8_t byte) const;  // 0 when there is none
  // The longest token at `position`, -1 when there is none.
  int32_t longest_at(std::string_view text, size_t position, bool specials_only) const;

  std::vector<Node> nodes_;
  std::array<uint32_t, 256> root_{};  // the children of node 0
  std::vector<AddedToken> tokens_;
  std::vector<size_t> lengths_;  // of the content as looked for
};

}  // namespace lora
