#include "data/row_repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "data/row_formats.h"

namespace lora {
namespace {

constexpr size_t kLongestLine = size_t{1} << 20;
constexpr size_t kMostWays = 4096;               // readings begun
constexpr size_t kMostWork = size_t{256} << 20;  // bytes looked at and copied

constexpr std::array<std::string_view, 4> kTypographic = {"“", "”", "„", "‟"};
constexpr std::array<std::string_view, 8> kMessageKeys = {"role",       "content", "from",   "value",
                                                          "tool_calls", "name",    "weight", "tool_call_id"};
constexpr std::array<std::string_view, 14> kRowKeys = {
    "messages", "tools",  "golden",      "tags",    "conversations", "system",     "input",
    "output",   "prompt", "instruction", "history", "weight",        "completion", "checks"};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// A quote mark at `at`: 1 for ", 2 for ', 3 for typographic ones; 0 for anything else.
enum Quote : char { kNone, kDouble, kSingle, kCurly };
struct QuoteAt {
  Quote quote;
  size_t length;
};
QuoteAt quote_at(std::string_view text, size_t at) {
  if (at >= text.size()) return {kNone, 0};
  if (text[at] == '"') return {kDouble, 1};
  if (text[at] == '\'') return {kSingle, 1};
  for (const std::string_view mark : kTypographic)
    if (text.substr(at).starts_with(mark)) return {kCurly, mark.size()};
  return {kNone, 0};
}

// One way to read the line, as far as it has got.
struct Reading {
  enum class Next : char { kValue, kFirstItem, kFirstKey, kKey, kColon, kComma, kEnd };
  size_t at = 0;
  Next next = Next::kValue;
  std::string stack;     // of '{' and '['
  std::string out;       // the line as this reading mends it
  Quote inside = kNone;  // in a string that this quote opened
  bool key = false;      // that string is a key
  bool chosen = false;   // the quote at `at` is part of the text: decided
  size_t quotes = 0, commas = 0, missing_commas = 0, marks = 0, controls = 0, words = 0;
};

class Repairer {
 public:
  Repairer(std::string_view line, const RowOptions& options) : line_(line), reader_(options) {}

  std::optional<RowRepair> run() {
    ways_.push_back({});
    while (!ways_.empty()) {
      if (++begun_ > kMostWays || work_ > kMostWork) return std::nullopt;
      Reading reading = std::move(ways_.back());
      ways_.pop_back();
      work_ += reading.out.size();
      if (!finish(reading)) continue;
      if (!is_valid(reading.out)) continue;
      if (found_ && found_->text != reading.out) return std::nullopt;  // two rows can have been meant
      if (!found_) found_ = RowRepair{std::move(reading.out), in_words(reading)};
    }
    return std::move(found_);
  }

 private:
  using Next = Reading::Next;

  size_t skip_space(size_t at) const {
    while (at < line_.size() && is_space(line_[at])) ++at;
    return at;
  }
  char at(size_t i) const { return i < line_.size() ? line_[i] : '\0'; }

  bool is_valid(const std::string& text) {
    work_ += 2 * text.size();
    reader_.read(text, 1, row_);
    return row_.readable && !row_.refused;
  }

  // Reads to the end of the line; other ways are put aside in `ways_`. False: this way leads nowhere.
  bool finish(Reading& r) {
    while (true) {
      if (r.inside != kNone) {
        if (!read_string(r)) return false;
        continue;
      }
      const size_t blank = skip_space(r.at);
      r.out.append(line_, r.at, blank - r.at);
      r.at = blank;
      if (r.next == Next::kEnd) return r.at == line_.size();
      if (r.at == line_.size() || !step(r)) return false;
    }
  }

  bool step(Reading& r) {
    const char c = line_[r.at];
    switch (r.next) {
      case Next::kColon:
        if (c != ':') return false;
        r.next = Next::kValue;
        return take(r);
      case Next::kFirstKey:
        if (c == '}') return close(r, '{');
        return open_string(r, true);
      case Next::kKey:
        if (c == '}') return drop_comma(r) && close(r, '{');
        return open_string(r, true);
      case Next::kFirstItem:
        if (c == ']') return close(r, '[');
        return value(r);
      case Next::kValue:
        if (c == ']' && !r.stack.empty() && r.stack.back() == '[') return drop_comma(r) && close(r, '[');
        return value(r);
      case Next::kComma:
        return comma(r);
      case Next::kEnd:
        break;
    }
    return false;
  }

  bool take(Reading& r) {
    r.out += line_[r.at++];
    return true;
  }

  bool comma(Reading& r) {
    const char c = line_[r.at];
    if (c == '}' || c == ']') return close(r, c == '}' ? '{' : '[');
    const bool in_object = r.stack.back() == '{';
    if (c == ',') {
      r.next = in_object ? Next::kKey : Next::kValue;
      return take(r);
    }
    // Two items with nothing between them: only behind a bracket, elsewhere it may be a quote that is missing.
    const size_t end = r.out.find_last_not_of(" \t\r\n");
    if (end == std::string::npos || (r.out[end] != '}' && r.out[end] != ']')) return false;
    if (!(c == '{' && !in_object) && !(c == '"' && in_object)) return false;
    r.out.insert(r.out.begin() + static_cast<std::ptrdiff_t>(end) + 1, ',');
    ++r.missing_commas;
    r.next = in_object ? Next::kKey : Next::kValue;
    return true;
  }

  // The comma before a closing bracket goes.
  bool drop_comma(Reading& r) {
    const size_t comma = r.out.find_last_not_of(" \t\r\n");
    if (comma == std::string::npos || r.out[comma] != ',') return false;
    r.out.erase(comma, 1);
    ++r.commas;
    return true;
  }

  bool close(Reading& r, char bracket) {
    if (r.stack.empty() || r.stack.back() != bracket) return false;
    r.stack.pop_back();
    r.next = r.stack.empty() ? Next::kEnd : Next::kComma;
    return take(r);
  }

  bool value(Reading& r) {
    const char c = line_[r.at];
    if (c == '{' || c == '[') {
      if (r.stack.size() >= 64) return false;
      r.stack += c;
      r.next = c == '{' ? Next::kFirstKey : Next::kFirstItem;
      return take(r);
    }
    if (quote_at(line_, r.at).quote != kNone) return open_string(r, false);
    if (r.stack.empty()) return false;
    // A number or a word: up to what ends it.
    size_t end = r.at;
    while (end < line_.size() && !is_space(line_[end]) && line_[end] != ',' && line_[end] != '}' &&
           line_[end] != ']')
      ++end;
    const std::string_view word = line_.substr(r.at, end - r.at);
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPython{
        {{"True", "true"}, {"False", "false"}, {"None", "null"}}};
    const auto* python =
        std::find_if(kPython.begin(), kPython.end(), [&](const auto& p) { return p.first == word; });
    if (python != kPython.end()) ++r.words;
    r.out += python != kPython.end() ? python->second : word;
    r.at = end;
    r.next = Next::kComma;
    return !word.empty();
  }

  bool open_string(Reading& r, bool key) {
    const QuoteAt open = quote_at(line_, r.at);
    if (open.quote == kNone) return false;
    if (open.quote != kDouble) ++r.marks;
    r.inside = open.quote;
    r.key = key;
    r.out += '"';
    r.at += open.length;
    return true;
  }

  // Inside a string: up to its end, or to the end of the line (false).
  bool read_string(Reading& r) {
    const size_t begin = r.at;
    while (r.at < line_.size()) {
      const char c = line_[r.at];
      const QuoteAt quote = c == '"' || c == '\'' || c == '\xE2' ? quote_at(line_, r.at) : QuoteAt{kNone, 0};
      if (quote.quote == r.inside && !r.chosen) {
        const bool can = can_close(r, r.at + quote.length);
        if (can && !must_close(r, r.at + quote.length)) {
          ways_.push_back(r);  // the other way: the quote is part of the text
          ways_.back().chosen = true;
        }
        if (can) {
          work_ += r.at - begin;
          r.out += '"';
          r.at += quote.length;
          r.inside = kNone;
          r.next = r.key ? Next::kColon : r.stack.empty() ? Next::kEnd : Next::kComma;
          return true;
        }
      }
      r.chosen = false;
      if (c == '"') {
        r.out += "\\\"";
        if (r.inside == kDouble) ++r.quotes;
        ++r.at;
      } else if (c == '\\' && r.at + 1 < line_.size()) {
        if (line_[r.at + 1] == '\'' && r.inside == kSingle)
          r.out += '\'';  // Python's escape
        else
          r.out.append(line_, r.at, 2);
        r.at += 2;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        r.out += c == '\n'   ? "\\n"
                 : c == '\t' ? "\\t"
                 : c == '\r' ? "\\r"
                             : fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        ++r.controls;
        ++r.at;
      } else {
        r.out += c;
        ++r.at;
      }
    }
    return false;
  }

  // Whether what stands at `behind` can follow the end of the string.
  bool can_close(const Reading& r, size_t behind) const {
    const size_t i = skip_space(behind);
    const char c = at(i);
    if (r.key) return c == ':';
    if (r.stack.empty()) return i == line_.size();
    const bool in_object = r.stack.back() == '{';
    if (c == '}') return in_object;
    if (c == ']') return !in_object;
    if (c != ',') return false;
    const size_t item = skip_space(i + 1);
    if (!in_object) return item < line_.size();
    return at(item) == '}' || quote_at(line_, item).quote != kNone;
  }

  // Whether what stands at `behind` is so plainly the frame of a row that the string must end before it: then no
  // other way is tried. The frame is what a row of messages is made of; text rarely looks like it.
  bool must_close(const Reading& r, size_t behind) const {
    if (r.key) return true;
    size_t i = skip_space(behind);
    const bool in_message = r.stack == "{[{", in_row = r.stack == "{";
    if (at(i) == '}' && in_message) {
      i = skip_space(i + 1);
      if (at(i) == ',') {  // },{"role":
        i = skip_space(i + 1);
        if (at(i) != '{') return false;
        return is_key(skip_space(i + 1), kMessageKeys);
      }
      if (at(i) != ']') return false;
      i = skip_space(i + 1);
      if (at(i) == ',') return is_key(skip_space(i + 1), kRowKeys);
      return at(i) == '}' && skip_space(i + 1) == line_.size();  // }]} and the end
    }
    if (at(i) == '}' && in_row) return skip_space(i + 1) == line_.size();
    if (at(i) != ',') return false;
    i = skip_space(i + 1);
    if (in_row) return is_key(i, kRowKeys) && !has_key(r, i);
    return in_message && (is_key(i, std::array<std::string_view, 4>{"role", "content", "from", "value"})) &&
           !has_key(r, i);
  }

  // The key that is quoted at `i`, before a colon.
  std::string_view key_at(size_t i) const {
    const QuoteAt open = quote_at(line_, i);
    if (open.quote == kNone) return {};
    const size_t begin = i + open.length;
    size_t end = begin;
    while (end < line_.size() && end - begin < 32 &&
           ((line_[end] >= 'a' && line_[end] <= 'z') || line_[end] == '_'))
      ++end;
    const QuoteAt shut = quote_at(line_, end);
    if (shut.quote != open.quote || at(skip_space(end + shut.length)) != ':') return {};
    return line_.substr(begin, end - begin);
  }
  template <size_t n>
  bool is_key(size_t i, const std::array<std::string_view, n>& keys) const {
    const std::string_view key = key_at(i);
    return !key.empty() && std::find(keys.begin(), keys.end(), key) != keys.end();
  }
  // Whether the object that is being read has the key at `i` already.
  bool has_key(const Reading& r, size_t i) const {
    const std::string quoted = fmt::format("\"{}\"", key_at(i));
    size_t depth = 0, from = r.out.size();
    while (from > 0) {  // back to the bracket that opened the object, roughly: strings may hold brackets
      const char c = r.out[from - 1];
      if (c == '}') ++depth;
      if (c == '{' && depth-- == 0) break;
      --from;
    }
    return r.out.find(quoted, from) != std::string::npos;
  }

  static std::string in_words(const Reading& r) {
    std::string words;
    const auto add = [&](size_t n, std::string_view one, std::string_view many) {
      if (n == 0) return;
      if (!words.empty()) words += ", ";
      words += n == 1 ? std::string(one) : fmt::format(fmt::runtime(many), n);
    };
    add(r.quotes, "a quote escaped", "{} quotes escaped");
    add(r.commas, "a trailing comma removed", "{} trailing commas removed");
    add(r.missing_commas, "a missing comma put in", "{} missing commas put in");
    add(r.marks, "a string put in double quotes", "{} strings put in double quotes");
    add(r.controls, "a control character escaped", "{} control characters escaped");
    add(r.words, "a Python word made JSON", "{} Python words made JSON");
    return words;
  }

  std::string_view line_;
  RowReader reader_;
  ReadRow row_;
  std::vector<Reading> ways_;
  std::optional<RowRepair> found_;
  size_t begun_ = 0, work_ = 0;
};

}  // namespace

std::optional<RowRepair> repair_row(std::string_view line, const RowOptions& options) {
  if (line.size() > kLongestLine) return std::nullopt;
  JsonTape tape;
  if (tape.read(line)) return std::nullopt;
  return Repairer(line, options).run();
}

}  // namespace lora
