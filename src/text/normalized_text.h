// Text under way to its tokens: the bytes, and for each the range of input bytes it came from. Knows how to be
// rewritten without losing that. What the normalizers do is in normalizer.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace lora {

class NormalizedText {
 public:
  // `text` lies at byte `offset` of the input.
  NormalizedText(std::string_view text, size_t offset)
      : bytes_(text), offset_(offset), limit_(kFreeGrowth + kMaxGrowth * text.size()) {}

  const std::string& bytes() const { return bytes_; }
  // Input bytes that byte `i` of bytes() came from; `end` is not included.
  uint32_t begin_of(size_t i) const {
    return begin_.empty() ? static_cast<uint32_t>(offset_ + i) : begin_[i];
  }
  uint32_t end_of(size_t i) const { return end_.empty() ? static_cast<uint32_t>(offset_ + i + 1) : end_[i]; }
  NormalizedText slice(ByteRange range) const;

  void insert(size_t position, std::string_view text);  // comes from nowhere: an empty input range

  // Writes the text anew from left to right. Errors: kInput when it grows beyond all measure.
  class Rewriter {
   public:
    explicit Rewriter(NormalizedText& text) : text_(text) { bytes_.reserve(text.bytes_.size()); }
    void keep(size_t begin, size_t end);  // these bytes as they are
    // `text` in place of the bytes begin … end - 1; of nothing when begin == end.
    void put(std::string_view text, size_t begin, size_t end);
    size_t size() const { return bytes_.size(); }
    std::string_view written() const { return bytes_; }
    void cut(size_t size);  // drops what was written beyond `size`
    void commit();

   private:
    void check(size_t more) const;

    NormalizedText& text_;
    std::string bytes_;
    std::vector<uint32_t> begin_, end_;
  };

 private:
  // No normal form makes text more than 18 times longer; what does is a hostile replacement.
  static constexpr size_t kMaxGrowth = 64, kFreeGrowth = 64 * 1024;

  std::string bytes_;
  size_t offset_;
  size_t limit_;
  std::vector<uint32_t> begin_, end_;  // empty while bytes() is the input itself
};

}  // namespace lora
