// Where one text differs from another, as ranges to be marked on a page: words against words, other characters one by
// one, white space by runs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// [begin, end) of the text, in bytes; an empty range stands where the other text has something more.
struct TextMark {
  size_t begin = 0, end = 0;

  bool operator==(const TextMark&) const = default;
};

// Bounds the work over a whole page: texts that differ in everything cost the product of their lengths.
class MarkBudget {
 public:
  explicit MarkBudget(size_t pairs_of_words = size_t{400} << 20) : left_(pairs_of_words) {}
  bool take(size_t pairs_of_words);
  bool is_spent() const { return spent_; }

 private:
  size_t left_;
  bool spent_ = false;
};

// In order, apart from each other. Nothing when the budget is spent. Both texts are UTF-8.
std::vector<TextMark> text_marks(std::string_view text, std::string_view other, MarkBudget& budget);

// The text escaped (html_text), with <mark> around the ranges.
std::string marked_html(std::string_view text, const std::vector<TextMark>& marks);

// Ends of the marks as JavaScript counts, in UTF-16 units: begin, end, begin, end …
std::vector<size_t> utf16_ends(std::string_view text, const std::vector<TextMark>& marks);

}  // namespace lora
