#include "data/answer_group.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <string>

#include "data/plain_text.h"

namespace lora {
namespace {

using enum FormatKind;

constexpr std::array<std::string_view, 4> kJsonWords{"json", "dict", "object", "schema"};
constexpr std::array<std::string_view, 12> kCodeWords{"code",  "script",  "function", "query",
                                                      "sql",   "python",  "html",     "bash",
                                                      "regex", "snippet", "program",  "command"};
constexpr std::array<std::string_view, 28> kListWords{
    "list",   "bullet",  "bullets", "points",  "steps",    "step",     "ways",
    "tips",   "ideas",   "reasons", "table",   "markdown", "liste",    "schritte",
    "punkte", "tabelle", "étapes",  "tableau", "lista",    "pasos",    "tabla",
    "tabela", "列表",    "表",      "outline", "compare",  "headings", "plan"};

}  // namespace

uint32_t hash32(std::string_view text) {
  return static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
}

uint32_t opening_of(std::string_view question) {
  std::string opening;
  for (const std::string_view word : space_words(question.substr(0, 200), 3)) {
    for (const char c : folded_text(word)) opening += is_ascii_digit(c) ? '0' : c;
    opening += ' ';
  }
  return hash32(opening);
}

std::string_view prefix_of(std::string_view answer) {
  answer = trimmed_text(answer);
  const size_t colon = answer.substr(0, 32).find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const std::string_view prefix = answer.substr(0, colon + 1);
  if (!is_ascii_letter(prefix[0]) && static_cast<unsigned char>(prefix[0]) < 0x80) return {};
  return space_words(prefix, 4).size() <= 3 && prefix.find('\n') == std::string_view::npos
             ? prefix
             : std::string_view();
}

Bucket bucket_of(FormatKind kind) {
  switch (kind) {
    case kEmpty:
      return Bucket::kNone;
    case kJsonObject:
      return Bucket::kObject;
    case kJsonArray:
      return Bucket::kArray;
    case kJsonInFence:
      return Bucket::kFence;
    case kBrokenJson:
      return Bucket::kBroken;
    case kTextWithJson:
      return Bucket::kAround;
    case kXml:
    case kHtml:
      return Bucket::kXml;
    case kKeyLines:
      return Bucket::kKeyLines;
    case kCode:
      return Bucket::kCode;
    case kNumber:
      return Bucket::kNumber;
    case kYesNo:
    case kShortText:
      return Bucket::kShort;
    default:
      return Bucket::kProse;
  }
}
bool is_json_bucket(Bucket b) {
  return b == Bucket::kObject || b == Bucket::kArray || b == Bucket::kFence || b == Bucket::kBroken ||
         b == Bucket::kAround;
}

bool is_plain(FormatKind kind) {
  return kind == kProse || kind == kParagraphs || kind == kShortText || kind == kYesNo || kind == kNumber;
}

bool asks_for(std::string_view folded_question, FormatKind kind) {
  // Of a long question, what is asked; not the text that it is asked about.
  constexpr size_t kShort = 600, kInstruction = 240;
  std::string instruction;
  if (folded_question.size() > kShort) {
    instruction = folded_question.substr(0, std::min(folded_question.find('\n'), kInstruction));
    const size_t last = folded_question.rfind('\n');
    if (last != std::string_view::npos && folded_question.size() - last < kInstruction)
      instruction += folded_question.substr(last);
    folded_question = instruction;
  }
  const auto any = [&](const auto& words) {
    return std::ranges::any_of(words, [&](std::string_view w) { return contains_word(folded_question, w); });
  };
  if (is_json_bucket(bucket_of(kind))) return any(kJsonWords);
  if (kind == kXml || kind == kHtml) return any(std::array<std::string_view, 3>{"xml", "html", "svg"});
  if (kind == kCode || kind == kTextWithCode) return any(kCodeWords);
  if (kind == kKeyLines)
    return any(std::array<std::string_view, 4>{"format", "fields", "yaml", "form"}) || any(kListWords);
  if (kind == kBullets || kind == kNumbered || kind == kHeadings || kind == kTable) return any(kListWords);
  if (kind == kNumber)
    return any(std::array<std::string_view, 5>{"number", "count", "how many", "score", "how much"});
  if (kind == kShortText || kind == kYesNo)
    return any(std::array<std::string_view, 8>{"one word", "single word", "yes or no", "name", "label",
                                               "true or false", "word", "classify"});
  return any(
      std::array<std::string_view, 6>{"explain", "describe", "why", "summarize", "summarise", "summary"});
}

}  // namespace lora
