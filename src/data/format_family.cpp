#include "data/format_family.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kMostShortWords = 6, kMostShortCharacters = 60, kMostShortIdeographs = 14;
constexpr size_t kNamedKeys = 6;

constexpr std::array<std::string_view, kFormatKinds> kNames{
    "empty",
    "JSON",
    "a JSON list",
    "JSON in a code fence",
    "broken JSON",
    "text around JSON",
    "XML",
    "HTML",
    "lines \"Key: value\"",
    "a code block",
    "a number",
    "yes or no",
    "a short text",
    "prose",
    "several paragraphs",
    "a bullet list",
    "a numbered list",
    "Markdown with headings",
    "a Markdown table",
    "text with a code block",
};

bool is_number(std::string_view text) {
  for (const std::string_view sign : {"$", "€", "£", "¥", "~", "≈", "-", "+", "−"})
    if (text.starts_with(sign)) text = trimmed_text(text.substr(sign.size()));
  if (text.ends_with('.')) text.remove_suffix(1);
  for (const std::string_view unit : {"%", "€", "$", "£", "°"})
    if (text.ends_with(unit)) text = trimmed_text(text.substr(0, text.size() - unit.size()));
  if (text.empty() || text.size() > 40 || !(is_ascii_digit(text[0]) || text[0] == '.')) return false;
  bool digit = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    digit = digit || is_ascii_digit(c);
    const bool exponent = (c == 'e' || c == 'E') && digit && i + 1 < text.size();
    if (!is_ascii_digit(c) && !exponent && std::string_view(".,/ '-+:").find(c) == std::string_view::npos)
      return false;
  }
  return digit;
}

bool is_yes_or_no(std::string_view text) {
  while (!text.empty() && std::string_view(".!").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  if (text.size() > 16) return false;
  const std::string folded = folded_text(text);
  constexpr std::array<std::string_view, 30> kWords{
      "yes", "no",  "true", "false", "ja",     "nein", "nej", "nee", "oui", "non",
      "si",  "sí",  "sì",   "não",   "sim",    "да",   "нет", "так", "ні",  "tak",
      "nie", "ano", "ne",   "はい",  "いいえ", "是",   "否",  "不",  "네",  "아니요"};
  return std::find(kWords.begin(), kWords.end(), folded) != kWords.end();
}

bool ends_a_sentence(std::string_view text) {
  for (const std::string_view end : {".", "!", "?", "。", "！", "？", "…", ":"})
    if (text.ends_with(end)) return true;
  return false;
}

bool is_short(std::string_view text) {
  if (text.size() > 4 * kMostShortCharacters || text.find('\n') != std::string_view::npos) return false;
  const size_t words = space_words(text, kMostShortWords + 1).size();
  if (words > kMostShortWords || character_count(text) > kMostShortCharacters) return false;
  size_t ideographs = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    ideographs += c.valid && c.code_point >= 0x3040 && c.code_point <= 0x9FFF;
    i += c.length;
  }
  if (ideographs > kMostShortIdeographs) return false;
  return !ends_a_sentence(text) || (words <= 2 && ideographs < 6);
}

// What a line is to Markdown.
enum class LineKind { kBlank, kText, kBullet, kNumbered, kHeading, kRow };

LineKind line_kind(std::string_view line) {
  line = trimmed_text(line);
  if (line.empty()) return LineKind::kBlank;
  for (const std::string_view bullet : {"- ", "* ", "+ ", "• ", "– ", "・", "◦ "})
    if (line.starts_with(bullet)) return LineKind::kBullet;
  if (line[0] == '#') {
    const size_t depth = std::min(line.find_first_not_of('#'), line.size());
    if (depth <= 6 && depth < line.size() && line[depth] == ' ') return LineKind::kHeading;
  }
  if (line[0] == '|' && line.size() > 2 && line.back() == '|') return LineKind::kRow;
  const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  if (digits > 0 && digits <= 3 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') &&
      line[digits + 1] == ' ')
    return LineKind::kNumbered;
  return LineKind::kText;
}

// Lines outside code blocks, by kind.
std::array<size_t, 6> line_counts(std::string_view text) {
  std::array<size_t, 6> count{};
  bool in_fence = false;
  for (const std::string_view line : lines_of(text)) {
    if (trimmed_text(line).starts_with("```")) {
      in_fence = !in_fence;
      continue;
    }
    if (!in_fence) ++count[static_cast<size_t>(line_kind(line))];
  }
  return count;
}

FormatKind prose_kind(std::string_view text, bool has_fence) {
  const std::array<size_t, 6> count = line_counts(text);
  const auto of = [&](LineKind kind) { return count[static_cast<size_t>(kind)]; };
  if (of(LineKind::kRow) >= 2) return FormatKind::kTable;
  if (of(LineKind::kHeading) >= 1) return FormatKind::kHeadings;
  if (has_fence) return FormatKind::kTextWithCode;
  if (of(LineKind::kBullet) + of(LineKind::kNumbered) >= 2)
    return of(LineKind::kBullet) >= of(LineKind::kNumbered) ? FormatKind::kBullets : FormatKind::kNumbered;
  return of(LineKind::kText) > 1 ? FormatKind::kParagraphs : FormatKind::kProse;
}

// **bold**: not f(**kwargs), 2 ** 8 or a rule of asterisks.
bool has_bold(std::string_view text) {
  const auto is_inner = [](char c) { return is_ascii_letter(c) || is_ascii_digit(c) || (c & 0x80) != 0; };
  for (size_t at = text.find("**"); at != std::string_view::npos; at = text.find("**", at + 2)) {
    const size_t begin = at + 2, end = text.find("**", begin);
    if (end == std::string_view::npos) return false;
    const std::string_view inner = text.substr(begin, end - begin);
    const bool opens = (at == 0 || !is_inner(text[at - 1])) && !inner.empty() &&
                       (is_inner(inner[0]) || inner[0] == '"' || inner[0] == '`');
    const bool closes = end + 2 >= text.size() || !is_inner(text[end + 2]);
    if (opens && closes && inner.size() <= 120 && inner.find('\n') == std::string_view::npos &&
        (is_inner(inner.back()) || std::string_view(".:!?\"`)").find(inner.back()) != std::string_view::npos))
      return true;
  }
  return false;
}

// Words in tags of HTML, at least one of them closed or three in all. What stands in backticks is spoken of.
bool is_html(std::string_view text) {
  constexpr std::array<std::string_view, 26> kTags{
      "p",  "br", "b",  "i",  "u",  "em", "strong", "ul",   "ol",  "li",    "h1", "h2",  "h3",
      "h4", "h5", "hr", "td", "tr", "th", "a",      "span", "div", "table", "hr", "img", "section"};
  size_t tags = 0, closed = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') quoted = !quoted;
    if (text[i] != '<' || quoted) continue;
    const bool ends = i + 1 < text.size() && text[i + 1] == '/';
    const size_t begin = i + (ends ? 2 : 1);
    size_t end = begin;
    while (end < text.size() && end - begin < 8 && (is_ascii_letter(text[end]) || is_ascii_digit(text[end])))
      ++end;
    if (std::find(kTags.begin(), kTags.end(), text.substr(begin, end - begin)) == kTags.end()) continue;
    if (end >= text.size() || (text[end] != '>' && text[end] != '/' && text[end] != ' ')) continue;
    ++tags;
    closed += ends;
  }
  return (closed > 0 && tags >= 4) || (text[0] == '<' && tags >= 2) || tags >= 6;
}

bool looks_like_json(std::string_view text) {
  if (text.size() < 2) return false;
  const std::string_view inner = trimmed_text(text.substr(1));
  if (inner.empty()) return false;
  const std::string_view quotes = "\"'";
  if (text[0] == '{') {
    const bool closed = text.back() == '}';
    if (quotes.find(inner[0]) != std::string_view::npos) return text.find(':') != std::string_view::npos;
    return closed && is_ascii_letter(inner[0]) && text.find(':') != std::string_view::npos &&
           text.find_first_of("\"'[") != std::string_view::npos;
  }
  if (text[0] == '[' && text.back() == ']')
    return quotes.find(inner[0]) != std::string_view::npos || inner[0] == '{';
  return false;
}

// A JSON object inside a text.
bool holds_json(std::string_view text, AnswerShape& shape) {
  for (size_t at = text.find('{'), tries = 0; at != std::string_view::npos && tries < 4;
       at = text.find('{', at + 1)) {
    const std::string_view inside = trimmed_text(text.substr(at + 1, 64));
    if (inside.empty() || inside[0] != '"') continue;
    ++tries;
    const size_t end = text.rfind('}');
    if (end == std::string_view::npos || end < at) return false;
    if (json_shape(text.substr(at, end - at + 1), shape)) return true;
  }
  return false;
}

std::string keys_in_words(const AnswerShape& shape) {
  std::string out;
  size_t n = 0;
  const auto keys = shape.top_level_keys();
  for (const std::string_view key : keys) {
    if (n == kNamedKeys && keys.size() > kNamedKeys + 1)
      return out + fmt::format(" and {} more", keys.size() - n);
    out.append(n++ == 0 ? "" : ", ").append(key);
  }
  return out;
}

}  // namespace

std::string_view format_kind_name(FormatKind kind) {
  return kNames[static_cast<size_t>(kind)];
}

bool is_machine_format(FormatKind kind) {
  return kind >= FormatKind::kJsonObject && kind <= FormatKind::kCode;
}

bool is_prose_format(FormatKind kind) {
  return kind >= FormatKind::kProse;
}

std::string FormatFamily::name() const {
  const std::string kind_name(format_kind_name(kind));
  if (detail.empty()) return kind_name;
  switch (kind) {
    case FormatKind::kCode:
    case FormatKind::kXml:
      return fmt::format("{} ({})", kind_name, detail);
    case FormatKind::kJsonObject:
    case FormatKind::kJsonArray:
    case FormatKind::kJsonInFence:
    case FormatKind::kTextWithJson:
    case FormatKind::kKeyLines:
      return fmt::format("{} with the key{} {}", kind_name, shape.top_level_keys().size() == 1 ? "" : "s",
                         detail);
    default:
      return kind_name;
  }
}

uint8_t markdown_parts(std::string_view text) {
  const std::array<size_t, 6> count = line_counts(text);
  const auto of = [&](LineKind kind) { return count[static_cast<size_t>(kind)]; };
  unsigned parts = 0;
  if (of(LineKind::kHeading) > 0) parts |= kHasHeading;
  if (of(LineKind::kBullet) > 1) parts |= kHasBullets;
  if (of(LineKind::kNumbered) > 1) parts |= kHasNumbers;
  if (of(LineKind::kRow) > 1) parts |= kHasTable;
  if (text.find("```") != std::string_view::npos) parts |= kHasFence;
  if (has_bold(text)) parts |= kHasBold;
  return static_cast<uint8_t>(parts);
}

FencedBlock first_fence(std::string_view text) {
  FencedBlock block;
  size_t at = 0;
  while ((at = text.find("```", at)) != std::string_view::npos && at > 0 && text[at - 1] != '\n' &&
         !is_blank(text[at - 1]))
    at += 3;
  if (at == std::string_view::npos) return block;
  const size_t line_end = text.find('\n', at);
  if (line_end == std::string_view::npos) return block;
  block.found = true;
  block.language = trimmed_text(text.substr(at + 3, line_end - at - 3));
  if (block.language.size() > 24 || block.language.find(' ') != std::string_view::npos) block.language = {};
  size_t end = text.find("\n```", line_end);
  if (end == std::string_view::npos) end = text.size();
  block.content = text.substr(std::min(line_end + 1, end), end - std::min(line_end + 1, end));
  const std::string_view rest = end + 4 <= text.size() ? text.substr(end + 4) : std::string_view();
  block.whole = trimmed_text(text.substr(0, at)).empty() && trimmed_text(rest).empty();
  return block;
}

FormatFamily format_family(std::string_view answer) {
  const std::string_view text = trimmed_text(answer);
  FormatFamily family;
  const auto done = [&](FormatKind kind) {
    family.kind = kind;
    std::string identity = std::to_string(static_cast<int>(kind));
    if (kind == FormatKind::kCode || kind == FormatKind::kXml) identity.append(" ").append(family.detail);
    if (kind != FormatKind::kXml && is_machine_format(kind) && !family.shape.empty()) {
      for (const std::string_view key : family.shape.top_level_keys()) identity.append("\n").append(key);
      family.detail = keys_in_words(family.shape);
    }
    family.id = XXH3_64bits(identity.data(), identity.size());
    return family;
  };

  if (text.empty()) return done(FormatKind::kEmpty);
  if (text[0] == '{' || text[0] == '[') {
    if (json_shape(text, family.shape))
      return done(text[0] == '{' ? FormatKind::kJsonObject : FormatKind::kJsonArray);
    if (looks_like_json(text))
      return done(holds_json(text, family.shape) ? FormatKind::kTextWithJson : FormatKind::kBrokenJson);
  }
  const FencedBlock fence = first_fence(text);
  if (fence.found) {
    if (json_shape(fence.content, family.shape))
      return done(fence.whole ? FormatKind::kJsonInFence : FormatKind::kTextWithJson);
    if (fence.whole) {
      family.detail = folded_text(fence.language);
      return done(FormatKind::kCode);
    }
  }
  if (text[0] == '<' && xml_shape(text, family.shape, family.detail)) return done(FormatKind::kXml);
  family.shape = {};
  family.detail = {};
  if (!fence.found && text.find('<') != std::string_view::npos && is_html(text))
    return done(FormatKind::kHtml);
  if (key_lines_shape(text, family.shape)) return done(FormatKind::kKeyLines);
  const bool number = is_number(text), yes_no = is_yes_or_no(text);
  if (number || yes_no || is_short(text)) {
    family.shape.fields.push_back(
        {"", FieldType::kString, std::string(text.size() <= 60 ? text : std::string_view())});
    return done(number ? FormatKind::kNumber : yes_no ? FormatKind::kYesNo : FormatKind::kShortText);
  }
  if (!fence.found && holds_json(text, family.shape)) return done(FormatKind::kTextWithJson);
  family.shape = {};
  return done(prose_kind(text, fence.found));
}

}  // namespace lora
