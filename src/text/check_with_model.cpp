#include "text/check_with_model.h"

#include <algorithm>

namespace lora {

void check_with_model(const TextSession& session, CheckOptions& options) {
  options.rows.find_control_token = [&session](std::string_view text,
                                               size_t from) -> std::optional<ControlToken> {
    const auto found = session.tokenizer().find_control_text(text.substr(std::min(from, text.size())));
    if (!found) return std::nullopt;
    return ControlToken{from + found->position, found->token.size()};
  };
  options.count_tokens = [&session](const Conversation& row, size_t max_seq_length) {
    const Rendered rendered = session.renderer().render(row, "the row");
    TokenCount count{.tokens = rendered.ids.size()};
    for (const Span& turn : rendered.turns) count.answers_cut += turn.token_end > max_seq_length;
    return count;
  };
}

}  // namespace lora
