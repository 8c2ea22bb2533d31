// A few training rows token by token, and on which tokens the loss is: token_view.json of a run directory. The tokens
// come from whoever holds the tokenizer; here they are only read and shown.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace lora {

struct ShownToken {
  std::string text;         // its bytes; a token may be a part of a character
  bool supervised = false;  // a target of the loss
};

struct TokenView {
  size_t line = 0;  // in the file of training rows
  std::vector<ShownToken> tokens;
};

// Nothing when there is no such file. Errors: kInput when it is broken.
std::vector<TokenView> read_token_views(const std::filesystem::path& path);

// The file's text: {"format": 1, "rows": [{"line": …, "tokens": ["…"], "supervised": [[begin, end], …]}]}, ranges of
// tokens half-open. Bytes that are no UTF-8 become U+FFFD.
std::string token_views_json(const std::vector<TokenView>& views);

// The section of a page.
std::string token_view_html(const std::vector<TokenView>& views);

}  // namespace lora
