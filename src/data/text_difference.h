// The first place where two texts differ, in words for people: "\"obejct\" in place of \"object\"".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lora {

struct TextDifference {
  size_t offset = 0;  // byte of `text` where it begins
  std::string words;  // what `text` has there, and what `usual` has
};

// Precondition: the texts differ. Both are UTF-8.
TextDifference text_difference(std::string_view text, std::string_view usual);

}  // namespace lora
