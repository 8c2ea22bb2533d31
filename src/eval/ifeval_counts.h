// What IFEval counts that needs rules: sentences, and words in capitals.
#pragma once

#include <cstddef>
#include <string_view>

namespace lora {

// Sentences of a text: ends at . ! ? (and their ideographic kin) behind which a new sentence may begin; not behind
// initials and common abbreviations, nor inside numbers.
size_t count_sentences(std::string_view text);

// Words all of whose letters are capitals, at least one; a hyphen joins.
size_t count_capital_words(std::string_view text);

}  // namespace lora
