// `mojibake`: text that was once decoded with the wrong encoding ("cafÃ©", "isnâ€™t"), and U+FFFD, which stands for
// characters that are lost.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_mojibake_check();

// Byte offset of the first sign of mojibake in `text` (UTF-8); nothing when there is none.
std::optional<size_t> find_mojibake(std::string_view text);

// `text` as it was meant, when exactly one repair is sensible: every damaged stretch is UTF-8 that was read as
// Windows-1252 (or Latin-1), once or twice. Nothing when there is no damage, or some of it cannot be undone (U+FFFD).
std::optional<std::string> repair_mojibake(std::string_view text);

}  // namespace lora
