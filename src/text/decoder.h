// Tokens back to text: the decoders of a tokenizer.json run over a list of tokens, as Hugging Face `tokenizers` does.
// The two ways that streams can be decoded by are in tokenizer.h (StreamDecoder).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/steps.h"

namespace lora {

// `tokens` as written in the vocabulary. No steps: the tokens with spaces between. Errors: kInput when a pattern runs
// away.
std::string decode_steps(std::vector<std::string> tokens, const std::vector<DecodeStep>& steps);

// Every `from` in `text` made `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// The text of a run of byte tokens. `strict`: U+FFFD for each byte if any of them is bad; else valid characters stay and
// each other byte becomes U+FFFD.
std::string decode_byte_run(std::string_view bytes, bool strict);

}  // namespace lora
