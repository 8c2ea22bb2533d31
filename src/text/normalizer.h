// Applies the normalizers of steps.h to text under way, as Hugging Face `tokenizers` and SentencePiece do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/normalized_text.h"
#include "text/steps.h"

namespace lora {

// Bytes that are not UTF-8 stay as they are, except where a step is SentencePiece's, which makes each U+FFFD.
// Errors: kInput when a pattern runs away or a replacement grows without bound.
void normalize(NormalizedText& text, const Normalizer& step);

// The same for plain text (the contents of normalized added tokens).
std::string normalize(std::string_view text, const std::vector<Normalizer>& steps);

// Writes the bytes of `range` in GPT-2's alphabet; each comes from its whole character, as in Hugging Face.
void put_byte_level(NormalizedText::Rewriter& out, std::string_view bytes, ByteRange range);

}  // namespace lora
