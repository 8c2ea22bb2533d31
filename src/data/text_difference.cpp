#include "data/text_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace lora {
namespace {

// A run of white space, a run of letters and digits, or one other character.
std::vector<std::string_view> pieces_of(std::string_view text) {
  const auto kind = [](unsigned char c) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) return 1;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80) return 2;
    return 0;
  };
  std::vector<std::string_view> pieces;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    const int run = kind(static_cast<unsigned char>(text[begin]));
    while (run != 0 && end < text.size() && kind(static_cast<unsigned char>(text[end])) == run) ++end;
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

bool is_space(std::string_view piece) {
  return piece.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

std::string shown(std::string_view text) {
  if (!text.empty() && is_space(text)) {
    const auto breaks = std::count(text.begin(), text.end(), '\n');
    if (breaks > 0) return breaks == 1 ? "a line break" : fmt::format("{} line breaks", breaks);
    if (text.find('\t') != std::string_view::npos) return "a tab";
    return text.size() == 1 ? "one blank" : fmt::format("{} blanks", text.size());
  }
  constexpr size_t kShown = 60;
  size_t length = std::min(kShown, text.size());
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
    --length;
  std::string out = "\"";
  for (const char c : text.substr(0, length)) out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  return out + (length < text.size() ? "…\"" : "\"");
}

std::string_view span_of(std::string_view text, const std::vector<std::string_view>& pieces, size_t begin,
                         size_t end) {
  const auto offset = [&](size_t i) {
    return i < pieces.size() ? static_cast<size_t>(pieces[i].data() - text.data()) : text.size();
  };
  return text.substr(offset(begin), offset(end) - offset(begin));
}

}  // namespace

TextDifference text_difference(std::string_view text, std::string_view usual) {
  const std::vector<std::string_view> a = pieces_of(text), b = pieces_of(usual);
  size_t begin = 0, end = 0;
  const size_t shorter = std::min(a.size(), b.size());
  while (begin < shorter && a[begin] == b[begin]) ++begin;
  while (end < shorter - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
  std::string_view here = span_of(text, a, begin, a.size() - end);
  std::string_view there = span_of(usual, b, begin, b.size() - end);
  const auto offset = static_cast<size_t>(here.data() - text.data());
  const auto trim = [](std::string_view s) {
    while (!s.empty() && is_space(s.substr(0, 1))) s.remove_prefix(1);
    while (!s.empty() && is_space(s.substr(s.size() - 1))) s.remove_suffix(1);
    return s;
  };
  const bool at_end = end == 0;
  const std::string where = begin == 0 ? " at the beginning" : at_end ? " at the end" : "";
  if (!is_space(here)) here = trim(here);
  if (!is_space(there)) there = trim(there);
  if (here.empty()) return {offset, fmt::format("{} is missing{}", shown(there), where)};
  if (there.empty()) return {offset, fmt::format("{} more{}", shown(here), where)};
  return {offset, fmt::format("{} in place of {}{}", shown(here), shown(there), where)};
}

}  // namespace lora
