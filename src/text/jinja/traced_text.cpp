#include "text/jinja/traced_text.h"

#include <algorithm>

namespace lora::jinja {
namespace {

void add_mark(std::vector<Mark>& marks, const Mark& mark) {
  if (mark.begin >= mark.end) return;
  if (!marks.empty() && marks.back().end == mark.begin && marks.back().source == mark.source)
    marks.back().end = mark.end;
  else
    marks.push_back(mark);
}

// The first mark that ends after `position`.
std::vector<Mark>::const_iterator mark_after(const std::vector<Mark>& marks, size_t position) {
  return std::upper_bound(marks.begin(), marks.end(), position,
                          [](size_t p, const Mark& mark) { return p < mark.end; });
}

}  // namespace

void Text::append(const Text& other, size_t begin, size_t end) {
  const size_t offset = bytes.size();
  for (auto mark = mark_after(other.marks, begin); mark != other.marks.end() && mark->begin < end; ++mark)
    add_mark(marks, {offset + std::max(mark->begin, begin) - begin, offset + std::min(mark->end, end) - begin,
                     mark->source});
  bytes.append(other.bytes, begin, end - begin);
}

void Text::append_as(std::string_view plain, const Text& other, size_t begin) {
  const auto mark = mark_after(other.marks, begin);
  if (mark != other.marks.end() && mark->begin <= begin)
    add_mark(marks, {bytes.size(), bytes.size() + plain.size(), mark->source});
  bytes += plain;
}

Text Text::piece(size_t begin, size_t end) const {
  Text out;
  out.markup = markup;
  out.append(*this, begin, end);
  return out;
}

}  // namespace lora::jinja
