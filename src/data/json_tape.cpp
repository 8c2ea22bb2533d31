#include "data/json_tape.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "data/json_reader.h"
#include "data/text_position.h"

namespace lora {
namespace {

constexpr size_t kMaxDepth = 64;  // as JsonOptions::max_depth

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || is_digit(c);
}

// Bytes that need a look inside a string: '"', '\', below 0x20, above 0x7F. Eight at a time; bit 7 of each byte is set
// for those. A byte above a true hit may be set falsely (the borrow of the subtraction), the lowest is always right.
uint64_t special_bytes(uint64_t x) {
  constexpr uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;
  const uint64_t quote = x ^ (kOnes * '"'), backslash = x ^ (kOnes * '\\');
  return (x | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | ((x - kOnes * 0x20) & ~x)) &
         kHigh;
}

// First byte at or after `at` that needs a look, or the end.
size_t plain_until(std::string_view text, size_t at) {
  if constexpr (std::endian::native == std::endian::little) {
    while (at + 8 <= text.size()) {
      uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if (const uint64_t hits = special_bytes(word))
        return at + static_cast<size_t>(std::countr_zero(hits)) / 8;
      at += 8;
    }
  }
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
    ++at;
  }
  return at;
}

// Value of each hex digit; 0xFF for everything else.
constexpr auto kHexDigits = [] {
  std::array<uint8_t, 256> values{};
  values.fill(0xFF);
  for (uint8_t i = 0; i < 10; ++i) values[static_cast<size_t>('0') + i] = i;
  for (uint8_t i = 0; i < 6; ++i)
    values[static_cast<size_t>('a') + i] = values[static_cast<size_t>('A') + i] =
        static_cast<uint8_t>(10 + i);
  return values;
}();

// Four hex digits at `at`, or -1.
int32_t hex4(std::string_view text, size_t at) {
  if (at > text.size() || text.size() - at < 4) return -1;
  const auto digit = [&](size_t i) -> int32_t {
    return kHexDigits[static_cast<unsigned char>(text[at + i])];
  };
  const int32_t a = digit(0), b = digit(1), c = digit(2), d = digit(3);
  if ((a | b | c | d) > 15) return -1;
  return a << 12 | b << 8 | c << 4 | d;
}

// The character of the valid escape at `at` (a backslash), and the bytes it takes in the text.
struct Escape {
  uint32_t code_point;
  size_t bytes;
};
Escape decode_escape(std::string_view text, size_t at) {
  switch (text[at + 1]) {
    case 'b':
      return {'\b', 2};
    case 'f':
      return {'\f', 2};
    case 'n':
      return {'\n', 2};
    case 'r':
      return {'\r', 2};
    case 't':
      return {'\t', 2};
    case 'u':
      break;
    default:
      return {static_cast<uint32_t>(text[at + 1]), 2};
  }
  const auto high = static_cast<uint32_t>(hex4(text, at + 2));
  if (high < 0xD800 || high > 0xDBFF) return {high, 6};
  const auto low = static_cast<uint32_t>(hex4(text, at + 8));
  return {0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), 12};
}

char* write_utf8(char* to, uint32_t c) {
  const auto put = [&](uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return to;
}

}  // namespace

bool JsonTape::read(std::string_view text) {
  text_ = text;
  at_ = 0;
  nodes_.clear();
  duplicate_keys_.clear();
  if (text.size() > UINT32_MAX) return false;
  skip_space();
  if (!read_value(0)) return false;
  skip_space();
  return at_ == text_.size();
}

void JsonTape::skip_space() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
}

bool JsonTape::read_value(size_t depth) {
  if (at_ >= text_.size()) return false;
  switch (text_[at_]) {
    case '"':
      return read_string();
    case '{':
      return read_object(depth);
    case '[':
      return read_array(depth);
    case 't':
      return read_word("true", JsonType::kBoolean);
    case 'f':
      return read_word("false", JsonType::kBoolean);
    case 'n':
      return read_word("null", JsonType::kNull);
    default:
      return read_number();
  }
}

bool JsonTape::read_word(std::string_view word, JsonType type) {
  if (!text_.substr(at_).starts_with(word)) return false;
  const size_t begin = at_;
  at_ += word.size();
  if (at_ < text_.size() && is_word(text_[at_])) return false;
  nodes_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(at_),
                    static_cast<uint32_t>(nodes_.size() + 1), 0, type, false});
  return true;
}

bool JsonTape::read_number() {
  const size_t begin = at_;
  const auto digit = [&] { return at_ < text_.size() && is_digit(text_[at_]); };
  const auto is = [&](char c) { return at_ < text_.size() && text_[at_] == c; };
  if (is('-')) ++at_;
  if (!digit()) return false;
  if (is('0')) {
    ++at_;
    if (digit()) return false;
  }
  while (digit()) ++at_;
  bool exponent = false;
  if (is('.')) {
    ++at_;
    if (!digit()) return false;
    while (digit()) ++at_;
  }
  if (is('e') || is('E')) {
    exponent = true;
    ++at_;
    if (is('+') || is('-')) ++at_;
    if (!digit()) return false;
    while (digit()) ++at_;
  }
  // Numbers beyond double are refused: only these can be.
  if (exponent || at_ - begin > 300) {
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, value);
    if (error == std::errc::result_out_of_range && is_number_too_large(text_.substr(begin, at_ - begin)))
      return false;
  }
  nodes_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(at_),
                    static_cast<uint32_t>(nodes_.size() + 1), 0, JsonType::kNumber, false});
  return true;
}

bool JsonTape::read_escape() {
  if (at_ + 1 >= text_.size()) return false;
  switch (text_[at_ + 1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      at_ += 2;
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  const int32_t code = hex4(text_, at_ + 2);
  if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF)) return false;
  at_ += 6;
  if (code < 0xD800 || code > 0xDBFF) return true;
  if (!text_.substr(at_).starts_with("\\u")) return false;
  const int32_t low = hex4(text_, at_ + 2);
  at_ += 6;
  return low >= 0xDC00 && low <= 0xDFFF;
}

bool JsonTape::read_string() {
  const size_t begin = at_++;
  bool escaped = false;
  while (true) {
    at_ = plain_until(text_, at_);
    if (at_ >= text_.size()) return false;
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') break;
    if (c == '\\') {
      escaped = true;
      do {
        if (!read_escape()) return false;
      } while (at_ < text_.size() && text_[at_] == '\\');
    } else if (c < 0x20) {
      return false;
    } else {
      do {
        const size_t length = utf8_sequence_length(text_, at_);
        if (length == 0) return false;
        at_ += length;
      } while (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) >= 0x80);
    }
  }
  ++at_;
  nodes_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(at_),
                    static_cast<uint32_t>(nodes_.size() + 1), 0, JsonType::kString, escaped});
  return true;
}

bool JsonTape::read_array(size_t depth) {
  if (depth >= kMaxDepth) return false;
  const size_t self = nodes_.size();
  nodes_.push_back({static_cast<uint32_t>(at_), 0, 0, 0, JsonType::kArray, false});
  ++at_;
  skip_space();
  uint32_t count = 0;
  if (at_ < text_.size() && text_[at_] == ']') {
    ++at_;
  } else {
    while (true) {
      if (!read_value(depth + 1)) return false;
      ++count;
      skip_space();
      if (at_ >= text_.size()) return false;
      const char c = text_[at_++];
      if (c == ']') break;
      if (c != ',') return false;
      skip_space();
    }
  }
  nodes_[self].end = static_cast<uint32_t>(at_);
  nodes_[self].after = static_cast<uint32_t>(nodes_.size());
  nodes_[self].count = count;
  return true;
}

bool JsonTape::read_object(size_t depth) {
  if (depth >= kMaxDepth) return false;
  const size_t self = nodes_.size();
  nodes_.push_back({static_cast<uint32_t>(at_), 0, 0, 0, JsonType::kObject, false});
  ++at_;
  skip_space();
  uint32_t count = 0;
  if (at_ < text_.size() && text_[at_] == '}') {
    ++at_;
  } else {
    while (true) {
      if (at_ >= text_.size() || text_[at_] != '"' || !read_string()) return false;
      skip_space();
      if (at_ >= text_.size() || text_[at_] != ':') return false;
      ++at_;
      skip_space();
      if (!read_value(depth + 1)) return false;
      ++count;
      skip_space();
      if (at_ >= text_.size()) return false;
      const char c = text_[at_++];
      if (c == '}') break;
      if (c != ',') return false;
      skip_space();
    }
  }
  nodes_[self].end = static_cast<uint32_t>(at_);
  nodes_[self].after = static_cast<uint32_t>(nodes_.size());
  nodes_[self].count = count;
  if (count > 1) note_duplicates(self);
  return true;
}

void JsonTape::note_duplicates(size_t object) {
  const JsonNode& node = nodes_[object];
  if (node.count <= 16) {
    for (size_t key = object + 1; key < node.after; key = nodes_[key + 1].after)
      for (size_t earlier = object + 1; earlier < key; earlier = nodes_[earlier + 1].after) {
        bool same = false;
        if (!nodes_[key].escaped && !nodes_[earlier].escaped) {
          same = raw(key) == raw(earlier);
        } else {
          string(key, scratch_);
          string(earlier, other_);
          same = scratch_ == other_;
        }
        if (same) {
          duplicate_keys_.push_back(static_cast<uint32_t>(key));
          break;
        }
      }
    return;
  }
  std::vector<std::pair<std::string, uint32_t>> keys;
  for (size_t key = object + 1; key < node.after; key = nodes_[key + 1].after)
    keys.emplace_back(string(key), static_cast<uint32_t>(key));
  std::sort(keys.begin(), keys.end());
  for (size_t i = 1; i < keys.size(); ++i)
    if (keys[i].first == keys[i - 1].first) duplicate_keys_.push_back(keys[i].second);
}

size_t JsonTape::find(size_t object, std::string_view key) const {
  size_t found = 0;
  const size_t end = nodes_[object].after;
  for (size_t at = object + 1; at < end; at = nodes_[at + 1].after) {
    const JsonNode& node = nodes_[at];
    const bool same = node.escaped ? string(at) == key
                                   : node.end - node.begin == key.size() + 2 &&
                                         text_.substr(node.begin + 1, key.size()) == key;
    if (same) found = at + 1;
  }
  return found;
}

std::string JsonTape::string(size_t i) const {
  std::string out;
  string(i, out);
  return out;
}

void JsonTape::string(size_t i, std::string& out) const {
  const JsonNode& node = nodes_[i];
  const std::string_view inner = text_.substr(node.begin + 1, node.end - node.begin - 2);
  if (!node.escaped) {
    out.assign(inner);
    return;
  }
  // An escape is never shorter than what it stands for.
  out.resize(inner.size());
  char* to = out.data();
  for (size_t at = 0; at < inner.size();) {
    if (inner[at] != '\\') {
      const size_t plain = std::min(inner.find('\\', at), inner.size()) - at;
      std::memcpy(to, inner.data() + at, plain);
      to += plain;
      at += plain;
      continue;
    }
    const Escape escape = decode_escape(inner, at);
    to = write_utf8(to, escape.code_point);
    at += escape.bytes;
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

double JsonTape::number(size_t i) const {
  double value = 0;
  std::from_chars(text_.data() + nodes_[i].begin, text_.data() + nodes_[i].end, value);
  return value;
}

size_t offset_in_json_string(std::string_view text, size_t quote, size_t offset) {
  size_t at = quote + 1;
  for (size_t made = 0; made < offset && at < text.size() && text[at] != '"';) {
    if (text[at] != '\\') {
      ++at;
      ++made;
      continue;
    }
    const Escape escape = decode_escape(text, at);
    made += escape.code_point < 0x80      ? 1
            : escape.code_point < 0x800   ? 2
            : escape.code_point < 0x10000 ? 3
                                          : 4;
    if (made > offset) break;
    at += escape.bytes;
  }
  return at;
}

std::string compact_json(std::string_view json) {
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (!inside && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
    out += c;
    if (c == '"') inside = !inside;
    if (inside && c == '\\') out += json[++i];
  }
  return out;
}

}  // namespace lora
