// "Did you mean …": the nearest of some known words, by letters.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lora {

// Levenshtein distance in bytes; ASCII capitals count as their small letters.
size_t letters_apart(std::string_view a, std::string_view b);

// The word of `words` that is nearest to `word`; empty when none is near enough to be meant (a third of its letters).
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words);

}  // namespace lora
