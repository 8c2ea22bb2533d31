// Shows a check every text of a row. A system prompt that many rows share is shown once: what is wrong with it is one
// finding.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "data/checks/check.h"

namespace lora {

class EachText {
 public:
  // Calls `look(message, text)` for each message's content, or for the text of a plain-text row (message 0).
  template <class Look>
  void operator()(const Row& row, Look&& look) {
    if (row.conversation.is_plain_text()) return look(size_t{0}, std::string_view(row.conversation.text));
    const auto& messages = row.conversation.messages;
    for (size_t m = 0; m < messages.size(); ++m) {
      const std::string_view text = messages[m].content;
      if (messages[m].role == "system" && !seen_.insert(XXH3_64bits(text.data(), text.size())).second)
        continue;
      look(m, text);
    }
  }

 private:
  std::unordered_set<uint64_t> seen_;
};

}  // namespace lora
