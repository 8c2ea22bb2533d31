// The control tokens that chat templates are made of, spelled out: what must not stand in a message's text. For checks
// without a model; with one, the tokenizer's own list counts (it is handed in as a FindControlToken).
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace lora {

struct ControlToken {
  size_t offset = 0;
  size_t length = 0;
};
// Looks for the first control token at or after `from`.
using FindControlToken = std::function<std::optional<ControlToken>(std::string_view text, size_t from)>;

// Those of all common families of chat models (<|im_end|>, [INST], <start_of_turn>, …), sorted.
std::span<const std::string_view> known_control_tokens();

// The first of them. `<s>` and `</s>` are HTML too: they count only where they cannot be (an end without a beginning,
// a beginning before [INST] or at the very start without an end).
std::optional<ControlToken> find_known_control_token(std::string_view text, size_t from);

}  // namespace lora
