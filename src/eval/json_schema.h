// JSON Schema (draft 2020-12, and draft 7 where it differs), checked by Valijson. Patterns are PCRE2's, so that none can
// hang. `format` is an annotation, as the draft's default has it. What is not supported is refused by name, never
// passed over: $dynamicRef, $anchor, unevaluated…, minContains, maxContains, references outside $defs.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "eval/pattern.h"

namespace lora {

class JsonSchema {
 public:
  // Errors: kInput at `where` with a JSON pointer to what is wrong or not supported.
  JsonSchema(nlohmann::json schema, std::string where);

  // "" when `value` is valid, else why not. Precondition: value is at most 256 deep, as read_json makes sure.
  std::string why_not(const nlohmann::json& value) const;

 private:
  nlohmann::json schema_;
  std::string where_;
  std::map<std::string, AnswerPattern> patterns_;
};

}  // namespace lora
