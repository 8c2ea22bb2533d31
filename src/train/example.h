// A row of data as training and scoring see it: token ids and which of them are targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "text/render.h"

namespace lora {

struct Example {
  std::vector<int32_t> ids;
  std::vector<uint8_t> supervised;  // as long as ids; the first is never set: nothing predicts it
  size_t line = 0;                  // in the user's file
  double weight = 1;  // of its tokens in the training loss; scores and held-out losses ignore it

  int64_t num_supervised() const;
  // Tokens that are read: what follows the last supervised token predicts nothing, so nothing reads it.
  int64_t input_length() const;
};

// Renders every conversation; keeps the order. Errors: kInput naming file and line: a row that cannot be rendered, has
// no supervised token, or is longer than `max_length` tokens (rows are never cut: the number of such rows is said).
std::vector<Example> make_examples(const Renderer& renderer, const std::vector<Conversation>& conversations,
                                   int64_t max_length, const std::string& source);

}  // namespace lora
