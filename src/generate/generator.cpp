#include "generate/generator.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "model/kv_cache.h"

namespace lora {
namespace {

// Prompt tokens that are read in one pass: bounds the memory of activations.
constexpr int64_t kPrefillTokens = 1024;

// One sequence being written; owns cache rows begin … begin + room - 1.
struct Sequence {
  size_t prompt;
  int64_t begin;
  int64_t length;  // tokens in the cache
  int32_t next;    // chosen, not yet read
};

class Batch {
 public:
  Batch(const Decoder& decoder, const Adapter* adapter, const std::vector<std::vector<int32_t>>& prompts,
        const GenerateOptions& options, std::vector<Answer>& answers,
        const std::function<void(size_t, int32_t)>& on_token, size_t first, size_t last)
      : decoder_(decoder),
        adapter_(adapter),
        prompts_(prompts),
        options_(options),
        answers_(answers),
        on_token_(on_token),
        cache_(decoder.config(), capacity(first, last), decoder.dtype()),
        first_(first),
        last_(last) {}

  void run() {
    read_prompts();
    while (!active_.empty()) step();
  }

 private:
  int64_t capacity(size_t first, size_t last) const {
    int64_t rows = 0;
    for (size_t p = first; p < last; ++p)
      rows += static_cast<int64_t>(prompts_[p].size()) + options_.max_new_tokens;
    return rows;
  }

  void read_prompts() {
    int64_t row = 0;
    for (size_t p = first_; p < last_;) {
      CachedTokens tokens;
      std::vector<Sequence> read;
      do {
        const auto n = static_cast<int64_t>(prompts_[p].size());
        add_tokens(tokens, prompts_[p], row);
        read.push_back({p, row, n, 0});
        row += n + options_.max_new_tokens;
        ++p;
      } while (p < last_ && static_cast<int64_t>(tokens.ids.size() + prompts_[p].size()) <= kPrefillTokens);
      choose(decoder_.forward_cached(tokens, cache_, adapter_), read);
    }
  }

  // The whole of a sequence so far, whose cache rows begin at `row`.
  static void add_tokens(CachedTokens& tokens, const std::vector<int32_t>& ids, int64_t row) {
    const auto n = static_cast<int64_t>(ids.size()), at = static_cast<int64_t>(tokens.ids.size());
    for (int64_t i = 0; i < n; ++i) {
      tokens.ids.push_back(ids[static_cast<size_t>(i)]);
      tokens.positions.push_back(i);
      tokens.cache_rows.push_back(row + i);
    }
    tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
    tokens.layout.blocks.push_back({at, at + n, row, {}});
    tokens.rows.push_back(at + n - 1);
  }

  void step() {
    CachedTokens tokens;
    for (Sequence& s : active_) {
      if (s.length > 0 && s.length == decoder_.config().long_rope_length()) {
        // With its next token it counts as long, and all that is cached of it was turned by the rope of short ones.
        std::vector<int32_t> ids = prompts_[s.prompt];
        ids.insert(ids.end(), answers_[s.prompt].ids.begin(), answers_[s.prompt].ids.end());
        add_tokens(tokens, ids, s.begin);
        ++s.length;
        continue;
      }
      const auto at = static_cast<int64_t>(tokens.ids.size());
      tokens.ids.push_back(s.next);
      tokens.positions.push_back(s.length);
      tokens.cache_rows.push_back(s.begin + s.length);
      tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
      tokens.layout.blocks.push_back({at, at + 1, s.begin + s.length, {{s.begin, s.begin + s.length}}});
      tokens.rows.push_back(at);
      ++s.length;
    }
    std::vector<Sequence> stepped = std::move(active_);
    active_.clear();
    choose(decoder_.forward_cached(tokens, cache_, adapter_), stepped);
  }

  // Draws each sequence's next token; those that go on become active.
  void choose(const at::Tensor& logits, std::vector<Sequence>& sequences) {
    const at::Tensor numbers = logits.to(at::kFloat).contiguous();
    const int64_t vocab = numbers.size(1);
    for (size_t i = 0; i < sequences.size(); ++i) {
      Sequence& s = sequences[i];
      Answer& answer = answers_[s.prompt];
      Random random(options_.sampling.seed, mix64(s.prompt, answer.ids.size()));
      s.next = sample(numbers.data_ptr<float>() + static_cast<int64_t>(i) * vocab, vocab, options_.sampling,
                      random);
      if (std::ranges::find(options_.stop_ids, s.next) != options_.stop_ids.end()) {
        answer.stopped = true;
        continue;
      }
      answer.ids.push_back(s.next);
      if (on_token_) on_token_(s.prompt, s.next);
      if (static_cast<int64_t>(answer.ids.size()) < options_.max_new_tokens) active_.push_back(s);
    }
  }

  const Decoder& decoder_;
  const Adapter* adapter_;
  const std::vector<std::vector<int32_t>>& prompts_;
  const GenerateOptions& options_;
  std::vector<Answer>& answers_;
  const std::function<void(size_t, int32_t)>& on_token_;
  KvCache cache_;
  size_t first_, last_;
  std::vector<Sequence> active_;
};

void check(const Decoder& decoder, const std::vector<std::vector<int32_t>>& prompts,
           const GenerateOptions& options) {
  validate(options.sampling);
  if (options.max_new_tokens < 1)
    throw Error::input({.where = "max_new_tokens",
                        .found = fmt::format("it is {}", options.max_new_tokens),
                        .expected = "1 or more"});
  const int64_t context = decoder.config().max_position_embeddings;
  for (size_t p = 0; p < prompts.size(); ++p) {
    const auto n = static_cast<int64_t>(prompts[p].size());
    if (n == 0)
      throw Error::input({.where = fmt::format("prompt {}", p + 1), .found = "the prompt is empty"});
    if (n > context || options.max_new_tokens > context - n)
      throw Error::input({.where = fmt::format("prompt {}", p + 1),
                          .found = fmt::format("{} tokens and {} new ones do not fit the model's context", n,
                                               options.max_new_tokens),
                          .expected = fmt::format("at most {} together", context),
                          .fix = "Shorten the prompt, or lower max_new_tokens."});
  }
}

}  // namespace

std::vector<Answer> generate(const Decoder& decoder, const Adapter* adapter,
                             const std::vector<std::vector<int32_t>>& prompts, const GenerateOptions& options,
                             const std::function<void(size_t, int32_t)>& on_token) {
  check(decoder, prompts, options);
  std::vector<Answer> answers(prompts.size());
  const auto step = static_cast<size_t>(std::max<int64_t>(1, options.batch_size));
  for (size_t first = 0; first < prompts.size(); first += step)
    Batch(decoder, adapter, prompts, options, answers, on_token, first,
          std::min(first + step, prompts.size()))
        .run();
  return answers;
}

}  // namespace lora
