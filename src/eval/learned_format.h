// The form that training answers share, as a check: what nearly all of them do, a tuned model's answer should
// do. A first, plain family of traits; says nothing about content.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/checks.h"

namespace lora {

// One trait that at least 95 % of the training answers have.
struct FormatTrait {
  std::string name;         // "one_line"
  std::string description;  // "is one line (98 % of the training answers)"
  std::function<bool(std::string_view)> holds;
};

// The traits that the answers share. Looked for: JSON; keys of JSON or of lines "Key: value"; one of a few labels; one line; every line a list item; the same first word;
// an end in sentence punctuation; a Markdown fence, or none; a length in characters between half the shortest
// and twice the longest (2.5 % at either end left out). Never empty: the length is always among them. Errors:
// kInput when there are no answers. Keys and labels are those that the data doctor knows (data/format_family.h).
std::vector<FormatTrait> learn_format(std::span<const std::string> training_answers);

// The check "format": passes when all traits hold; score is the share that does; the reference is not read.
std::unique_ptr<Check> make_format_check(std::vector<FormatTrait> traits);

}  // namespace lora
