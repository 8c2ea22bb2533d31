#include "train/example.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace lora {

int64_t Example::num_supervised() const {
  return std::count(supervised.begin(), supervised.end(), uint8_t{1});
}

int64_t Example::input_length() const {
  const auto last = std::find(supervised.rbegin(), supervised.rend(), uint8_t{1});
  return static_cast<int64_t>(supervised.rend() - last) - 1;
}

std::vector<Example> make_examples(const Renderer& renderer, const std::vector<Conversation>& conversations,
                                   int64_t max_length, const std::string& source) {
  std::vector<Example> examples;
  examples.reserve(conversations.size());
  std::vector<size_t> too_long;  // lines
  int64_t longest = 0;
  for (const Conversation& conversation : conversations) {
    const Rendered rendered = renderer.render(conversation, source);
    Example example{rendered.ids, rendered.supervised, conversation.line, conversation.weight};
    if (!example.supervised.empty()) example.supervised[0] = 0;
    if (example.num_supervised() == 0)
      throw Error::input({.where = fmt::format("{}:{}", source, conversation.line),
                          .found = "the row has no supervised token: there is nothing to learn from it",
                          .fix = "Give it an answer, or remove the row."});
    const auto length = static_cast<int64_t>(example.ids.size());
    if (length > max_length) too_long.push_back(conversation.line);
    longest = std::max(longest, length);
    examples.push_back(std::move(example));
  }
  if (!too_long.empty()) {
    std::string lines;
    for (size_t i = 0; i < too_long.size() && i < 8; ++i)
      lines += (i ? ", " : "") + std::to_string(too_long[i]);
    if (too_long.size() > 8) lines += ", …";
    throw Error::input(
        {.where = fmt::format("{}:{}", source, too_long[0]),
         .found = fmt::format("{} of {} rows are longer than max_seq_length = {} tokens (lines {}; the "
                              "longest has {})",
                              too_long.size(), conversations.size(), max_length, lines, longest),
         .fix = fmt::format("Shorten the rows, remove them, or set max_seq_length = {}. Nothing is cut, "
                            "since a cut answer teaches the model not to stop.",
                            longest)});
  }
  return examples;
}

}  // namespace lora
