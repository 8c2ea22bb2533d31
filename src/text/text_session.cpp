#include "text/text_session.h"

namespace lora {

TextSession::TextSession(const std::filesystem::path& model, const TextOptions& options)
    : checkpoint_(Checkpoint::open(model)),
      tokenizer_(Tokenizer::from_checkpoint(checkpoint_)),
      template_(ChatTemplate::from_checkpoint(checkpoint_, options.chat_template)),
      renderer_(*tokenizer_, template_, options.arguments) {
  if (template_.is_override()) renderer_.check_end_of_turn();
}

}  // namespace lora
