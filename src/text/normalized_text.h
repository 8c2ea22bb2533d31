// Text under way to its tokens: the bytes, and for each the range of input bytes it came from. Knows how to be
// rewritten by normalizers without losing that. Not a tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"
#include "text/vocabulary.h"

namespace lora {

class NormalizedText {
 public:
  // `text` lies at byte `offset` of the input.
  NormalizedText(std::string_view text, size_t offset) : bytes_(text), offset_(offset) {}

  const std::string& bytes() const { return bytes_; }
  // Input bytes that byte `i` of bytes() came from; `end` is not included.
  uint32_t begin_of(size_t i) const {
    return begin_.empty() ? static_cast<uint32_t>(offset_ + i) : begin_[i];
  }
  uint32_t end_of(size_t i) const { return end_.empty() ? static_cast<uint32_t>(offset_ + i + 1) : end_[i]; }
  NormalizedText slice(ByteRange range) const;

  void apply(const Normalizer& step);
  void insert(size_t position, std::string_view text);  // comes from nowhere: an empty input range
  void replace_all(std::string_view from, std::string_view to);

 private:
  void to_nfc();
  void materialize();

  std::string bytes_;
  size_t offset_;
  std::vector<uint32_t> begin_, end_;  // empty while bytes() is the input itself
};

// Applies normalizers to plain text (the contents of normalized added tokens).
std::string normalize(std::string_view text, const std::vector<Normalizer>& steps);

}  // namespace lora
