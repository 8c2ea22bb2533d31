// Words that add nothing to what is asked: greetings, thanks, "please" in common languages. Two questions that differ
// only in these ask the same.
#pragma once

#include <cstdint>

namespace lora {

// `word_hash` as append_word_hashes gives it.
bool is_courtesy(uint32_t word_hash);

}  // namespace lora
