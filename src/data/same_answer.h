// Whether two answers say the same, however they are written. Not whether one is as good as the other.
#pragma once

#include <string_view>

#include "data/conversation.h"

namespace lora {

// The same words (data/words.h) in order; or the same JSON value, also in a fenced block, up to the order of keys, the
// case of strings and the type of a number; or the same number ("1,200" and "1200.0", but not "3" and "-3"), to the
// last digit however long it is.
bool say_the_same(std::string_view a, std::string_view b);
// Of two assistant turns: contents and tool calls.
bool say_the_same(const Message& a, const Message& b);

}  // namespace lora
