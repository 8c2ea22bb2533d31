#include "report/text_marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "base/utf8.h"
#include "data/plain_text.h"
#include "data/word_difference.h"
#include "report/html.h"

namespace lora {
namespace {

// Ends of the parts of a text: each begins where the last one ends.
std::vector<size_t> part_ends(std::string_view text) {
  enum class Kind { kWord, kBlank, kOther };
  std::vector<size_t> ends;
  Kind last = Kind::kOther;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    const Kind kind = c.length == 1 && is_blank(text[at])          ? Kind::kBlank
                      : c.valid && is_word_character(c.code_point) ? Kind::kWord
                                                                   : Kind::kOther;
    if (kind == Kind::kOther || kind != last || ends.empty())
      ends.push_back(at + c.length);
    else
      ends.back() = at + c.length;
    last = kind;
    at += c.length;
  }
  return ends;
}

class Words {
 public:
  std::vector<uint32_t> of(std::string_view text, const std::vector<size_t>& ends) {
    std::vector<uint32_t> ids;
    size_t begin = 0;
    for (const size_t end : ends) {
      ids.push_back(ids_.try_emplace(text.substr(begin, end - begin), static_cast<uint32_t>(ids_.size()))
                        .first->second);
      begin = end;
    }
    return ids;
  }

 private:
  std::unordered_map<std::string_view, uint32_t> ids_;
};

}  // namespace

bool MarkBudget::take(size_t pairs_of_words) {
  if (pairs_of_words > left_) {
    spent_ = true;
    return false;
  }
  left_ -= pairs_of_words;
  return true;
}

std::vector<TextMark> text_marks(std::string_view text, std::string_view other, MarkBudget& budget) {
  if (text == other) return {};
  const std::vector<size_t> ends = part_ends(text), other_ends = part_ends(other);
  if (budget.is_spent() || !budget.take(ends.size() * (other_ends.size() + 1) + 1)) return {};
  Words words;
  const std::vector<uint32_t> a = words.of(text, ends), b = words.of(other, other_ends);
  std::vector<TextMark> marks;
  const auto place = [&](size_t part) { return part == 0 ? 0 : ends[part - 1]; };
  for (const Hunk& hunk : word_difference(a, b)) {
    const TextMark mark{place(hunk.a_begin), place(hunk.a_end)};
    if (!marks.empty() && marks.back().end == mark.begin)
      marks.back().end = mark.end;
    else
      marks.push_back(mark);
  }
  return marks;
}

std::string marked_html(std::string_view text, const std::vector<TextMark>& marks) {
  std::string out;
  size_t at = 0;
  for (const TextMark& mark : marks) {
    out += html_text(text.substr(at, mark.begin - at));
    out += fmt::format("<mark{}>{}</mark>", mark.begin == mark.end ? " class=\"gap\"" : "",
                       html_text(text.substr(mark.begin, mark.end - mark.begin)));
    at = mark.end;
  }
  return out + html_text(text.substr(at));
}

std::vector<size_t> utf16_ends(std::string_view text, const std::vector<TextMark>& marks) {
  std::vector<size_t> ends;
  size_t at = 0, units = 0;
  const auto reach = [&](size_t end) {
    while (at < end) {
      const Utf8Char c = utf8_at(text, at);
      units += c.valid && c.code_point > 0xFFFF ? 2 : 1;
      at += c.length;
    }
    ends.push_back(units);
  };
  for (const TextMark& mark : marks) {
    reach(mark.begin);
    reach(mark.end);
  }
  return ends;
}

}  // namespace lora
