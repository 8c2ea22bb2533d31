#include "data/row_source.h"

#include <algorithm>

#include "data/json_reader.h"
#include "data/json_tape.h"
#include "data/row_reader.h"

namespace lora {
namespace {

constexpr size_t kPeek = size_t{64} << 10, kLongPeek = size_t{4} << 20;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// A lone CR with another row behind it, in a text without LF.
bool has_return_lines(std::string_view text) {
  if (text.find('\n') != std::string_view::npos) return false;
  const size_t cr = text.find('\r');
  if (cr == std::string_view::npos || text.substr(0, cr).find('{') == std::string_view::npos) return false;
  const size_t next = text.find_first_not_of(" \t\r", cr);
  return next == std::string_view::npos || text[next] == '{';
}

// A line that is an array of messages by itself: a row that lacks the object around it, rather than an array of rows.
bool is_list_of_messages(std::string_view line) {
  JsonTape tape;
  return tape.read(line) && tape[0].type == JsonType::kArray && tape[0].count > 0 &&
         tape[1].type == JsonType::kObject && (tape.find(1, "role") != 0 || tape.find(1, "from") != 0);
}

RowSource::Layout layout_of(std::string_view text) {
  using enum RowSource::Layout;
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return kLines;
  const size_t line_end = std::min(text.find('\n', begin), text.size());
  const std::string_view first = text.substr(begin, line_end - begin);
  const size_t second = text.find_first_not_of(" \t\r\n", begin + 1);
  const char inside = second == std::string_view::npos ? '\0' : text[second];
  if (text[begin] == '[') return inside == '{' && !is_list_of_messages(first) ? kArray : kLines;
  if (text[begin] != '{' || line_end == text.size()) return kLines;
  // An object that goes on in the next line: that line begins no row of its own.
  const size_t next = text.find_first_not_of(" \t\r\n", line_end);
  if (next == std::string_view::npos || text[next] == '{') return kLines;
  const JsonText parsed = read_json(first, {.refuse_duplicate_keys = false, .keep_places = false});
  return !parsed.ok() && parsed.problem->kind == JsonProblemKind::kTruncated &&
                 parsed.problem->found.find("string") == std::string::npos
             ? kSpreadValues
             : kLines;
}

}  // namespace

RowSource::RowSource(LineSource& source) : source_(source) {
  std::string_view text = source.peek(kPeek);
  if (text.starts_with("\xEF\xBB\xBF")) {
    has_mark_ = true;
    source.take(3);
    text = source.peek(kPeek);
  }
  if (text.find('\n') == std::string_view::npos) text = source.peek(kLongPeek);
  if (has_return_lines(text)) {
    layout_ = Layout::kReturnLines;
    while (text[first_column_ - 1] != '\r') ++first_column_;
    first_column_ = column_of(text, first_column_ - 1);
    return;
  }
  layout_ = layout_of(text);
  if (layout_ == Layout::kLines) return;
  size_t begin = 0;
  while (is_space(text[begin])) step(text[begin++]);
  first_line_ = line_;
  first_column_ = column_;
  if (layout_ == Layout::kArray) step(text[begin++]);
  source.take(begin);
}

void RowSource::step(char c) {
  if (c == '\n') {
    ++line_;
    column_ = 1;
  } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
    ++column_;
  }
}

bool RowSource::next(RowText& row) {
  if (layout_ == Layout::kReturnLines) return next_return_line(row);
  if (layout_ != Layout::kLines) return next_value(row);
  Line line;
  if (!source_.next(line)) return false;
  row = {line.text, line.number, 1, line.offset, line.bytes, line.crlf};
  return true;
}

bool RowSource::next_return_line(RowText& row) {
  value_.clear();
  row = {{}, line_, 1, source_.bytes_read(), 0, false};
  for (bool ended = false; !ended;) {
    const std::string_view text = source_.peek(1);
    if (text.empty()) {
      if (row.bytes == 0) return false;
      break;
    }
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    ended = end < text.size();
    row.bytes += end;
    value_.append(text.substr(0, std::min(end, kMaxLineBytes - std::min(kMaxLineBytes, value_.size()))));
    source_.take(end + (ended ? 1 : 0));
  }
  ++line_;
  row.text = value_;
  return true;
}

bool RowSource::next_value(RowText& row) {
  if (ended_) return false;
  value_.clear();
  size_t depth = 0;
  bool begun = false, inside_string = false, escaped = false;
  const auto give = [&] {
    row.text = std::string_view(value_).substr(0, std::min(value_.size(), kMaxLineBytes));
    return true;
  };
  while (true) {
    const std::string_view text = source_.peek(1);
    if (text.empty()) {
      ended_ = true;
      unclosed_ = depth > 0 || inside_string || (layout_ == Layout::kArray && !between_arrays_);
      return begun ? give() : false;
    }
    size_t i = 0;
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (!begun) {
        if (is_space(c) || (c == ',' && layout_ == Layout::kArray)) {
          step(c);
          continue;
        }
        // Behind an array another may begin; anything else there is a row, of whatever worth, as it would be inside.
        if (layout_ == Layout::kArray && c == (between_arrays_ ? '[' : ']')) {
          between_arrays_ = !between_arrays_;
          step(c);
          continue;
        }
        begun = true;
        row.line = line_;
        row.column = column_;
        row.offset = source_.bytes_read() + i;
        row.bytes = 0;
        row.crlf = false;
      }
      const bool closes_list =
          row.bytes > 0 && !inside_string && depth == 0 && (c == ',' || c == ']' || is_space(c));
      if (closes_list) break;  // the end of a bare word or a number
      step(c);
      ++row.bytes;
      if (value_.size() <= kMaxLineBytes) value_ += c;
      if (inside_string) {
        if (escaped)
          escaped = false;
        else if (c == '\\')
          escaped = true;
        else if (c == '"')
          inside_string = false;
        if (inside_string || depth > 0) continue;
      } else if (c == '"') {
        inside_string = true;
        continue;
      } else if (c == '{' || c == '[') {
        ++depth;
        continue;
      } else if (c == '}' || c == ']') {
        if (depth > 0) --depth;
      } else {
        continue;
      }
      if (depth == 0) {
        source_.take(i + 1);
        return give();
      }
    }
    const bool complete = i < text.size();
    source_.take(i);
    if (complete) return give();
  }
}

}  // namespace lora
