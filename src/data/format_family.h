// The form of one answer: JSON with such keys, a code block, lines "Key: value", a list, a label, prose. Says what
// form a text has, not whether it is the right one (format_norm.h compares answers) and nothing about content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/answer_shape.h"

namespace lora {

enum class FormatKind : uint8_t {
  kEmpty,
  // Whole answers that a program can read.
  kJsonObject,
  kJsonArray,
  kJsonInFence,   // one fenced block that holds JSON, and nothing else
  kBrokenJson,    // begins and ends like JSON, but is not
  kTextWithJson,  // words before or after a JSON object
  kXml,           // one element
  kHtml,          // tags of HTML, more than one element
  kKeyLines,      // at least two lines, all "Key: value"
  kCode,          // one fenced block that does not hold JSON, and nothing else
  // Short answers.
  kNumber,
  kYesNo,
  kShortText,  // at most 6 words and 60 characters, no sentence: a label, a name
  // Texts for people.
  kProse,         // one paragraph
  kParagraphs,    // several, no structure
  kBullets,       // prose with bullets, or bullets alone
  kNumbered,      // the same with numbers
  kHeadings,      // Markdown headings
  kTable,         // a Markdown table
  kTextWithCode,  // words around a fenced block
};
inline constexpr size_t kFormatKinds = static_cast<size_t>(FormatKind::kTextWithCode) + 1;

// "JSON", "a bullet list", …: "<n> of <m> answers are …", "this answer is …".
std::string_view format_kind_name(FormatKind kind);

// True for the forms that a program reads (kJsonObject … kCode): one of them among texts for people, or the other way
// round, is an accident; bullets among paragraphs are not.
bool is_machine_format(FormatKind kind);
// True for the texts for people (kProse … kTextWithCode).
bool is_prose_format(FormatKind kind);

struct FormatFamily {
  FormatKind kind = FormatKind::kEmpty;
  std::string detail =
      {};           // language of a code block, root of XML, first top-level keys of JSON and key lines
  uint64_t id = 0;  // of kind and detail (JSON: of its set of top-level keys): equal for equal families
  // Of JSON, XML and key lines: paths and types. A short answer is one string at the empty path. Otherwise empty.
  AnswerShape shape = {};

  std::string name() const;  // "JSON with the keys company, city", "a code block (sql)", "a bullet list"
};

// Linear time. Never throws for text of any kind, also when it is not UTF-8.
FormatFamily format_family(std::string_view answer);

// What structure of Markdown a text for people has, beside what its kind says.
enum MarkdownPart : uint8_t {
  kHasHeading = 1,
  kHasBullets = 2,
  kHasNumbers = 4,
  kHasTable = 8,
  kHasFence = 16,
  kHasBold = 32,
};
inline constexpr size_t kMarkdownParts = 6;
uint8_t markdown_parts(std::string_view text);

// The content of the first fenced block in a text, its language, and whether anything stands around it.
struct FencedBlock {
  std::string_view language, content;
  bool whole = false;  // the block is the whole text
  bool found = false;
};
FencedBlock first_fence(std::string_view text);

}  // namespace lora
