// libFuzzer: no answer makes a check crash, hang or pass without the score of a pass. Every type that needs no other
// program judges each input, as answer and as reference; checks of form also judge its loose readings.
#include <cstdlib>
#include <string>
#include <vector>

#include "eval/check_declaration.h"
#include "eval/loose_answers.h"

namespace {

const char* const kChecks = R"([
  {"type": "exact"}, {"type": "normalized_exact"},
  {"type": "regex", "pattern": "^(a+)+$"}, {"type": "regex", "pattern": "(\\w+\\s?)*!", "name": "words"},
  {"type": "contains", "text": ["a", "é"], "words": true, "ignore_case": true}, {"type": "lacks", "text": "x"},
  {"type": "length", "max": 9}, {"type": "lines", "max": 2}, {"type": "bullets", "min": 1, "only": true},
  {"type": "starts_with", "text": "a", "ignore_case": true}, {"type": "ends_with", "text": "."},
  {"type": "language", "language": "German"}, {"type": "json_valid", "fence": true},
  {"type": "json_schema", "schema": {"$defs": {"t": {"type": ["object", "array", "integer", "string"],
      "items": {"$ref": "#/$defs/t"}, "patternProperties": {"^a": {"$ref": "#/$defs/t"}}, "additionalProperties": false,
      "pattern": "^(b|c)*$", "uniqueItems": true, "multipleOf": 0.5}}, "$ref": "#/$defs/t"}},
  {"type": "json_fields", "field": {"a": {"compare": "date"}, "b.*.c": {"compare": "number", "tolerance": 0.1},
      "d": {"compare": "set", "ignore_case": true}, "e": {"compare": "casefold"}}},
  {"type": "rouge_l"}, {"type": "bleu"}, {"type": "chrf"},
  {"type": "keywords:frequency", "keyword": "a", "frequency": 2},
  {"type": "length_constraints:number_sentences", "num_sentences": 2},
  {"type": "length_constraints:number_paragraphs", "num_paragraphs": 2},
  {"type": "length_constraints:number_words", "num_words": 2},
  {"type": "length_constraints:nth_paragraph_first_word", "num_paragraphs": 2, "nth_paragraph": 2, "first_word": "a"},
  {"type": "detectable_content:number_placeholders", "num_placeholders": 1},
  {"type": "detectable_content:postscript", "postscript_marker": "P.S."},
  {"type": "detectable_format:number_bullet_lists", "num_bullets": 1},
  {"type": "detectable_format:number_highlighted_sections", "num_highlights": 1},
  {"type": "detectable_format:multiple_sections", "section_spliter": "S", "num_sections": 1},
  {"type": "detectable_format:json_format"}, {"type": "detectable_format:title"},
  {"type": "combination:two_responses"}, {"type": "combination:repeat_prompt"},
  {"type": "startend:end_checker", "end_phrase": "a"}, {"type": "startend:quotation"},
  {"type": "change_case:capital_word_frequency", "capital_frequency": 1},
  {"type": "change_case:english_capital"}, {"type": "change_case:english_lowercase"}
])";

lora::DeclaredChecks make() {
  std::vector<lora::CheckTable> tables;
  for (const auto& values : nlohmann::json::parse(kChecks)) tables.push_back({values, {}, "fuzz"});
  return lora::make_checks(tables, ".");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  static const lora::DeclaredChecks checks = make();
  const std::string text(reinterpret_cast<const char*>(data), size);
  // What stands before a zero byte is the answer, the rest the reference.
  const size_t zero = text.find('\0');
  const std::string answer = text.substr(0, zero),
                    reference = zero == std::string::npos ? text : text.substr(zero + 1);
  for (const lora::DeclaredCheck& declared : checks.checks) {
    const lora::CheckInput input{answer, reference, reference};
    const lora::CheckResult result = declared.check->run_on(input);
    if (!(result.score >= 0 && result.score <= 1 + 1e-9)) std::abort();
    if (!declared.check->is_score() && result.passed != (result.score == 1)) std::abort();
    if (declared.check->is_format()) lora::passes_loosely(*declared.check, input);
  }
  return 0;
}
