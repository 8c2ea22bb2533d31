#include "generate/generator.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "generate/prompt_tree.h"
#include "generate/row_pool.h"
#include "model/kv_cache.h"

namespace lora {
namespace {

// One answer being written. It owns cache rows first_row … first_row + room - 1, which hold its tokens from `own_begin`
// on; those before are in the rows of `shared`.
struct Sequence {
  size_t prompt;
  size_t parent;  // its innermost run of shared tokens, or kNone
  std::vector<ops::KeyRange> shared;
  int64_t own_begin;
  int64_t first_row, room;
  int64_t length;    // tokens in the cache, shared ones too
  int32_t next = 0;  // chosen, not yet read

  int64_t end_row() const { return first_row + length - own_begin; }
};

// Keeps `batch_size` answers going: whenever one ends, the next prompt takes its place. Each pass reads one token of every
// running answer, and the prompts that join. Prompts of one adapter stand together in the tree, since an adapter changes
// keys; so they begin, and stand in every pass, adapter by adapter.
class Schedule {
 public:
  Schedule(const Decoder& decoder, const std::vector<GenerationPrompt>& prompts,
           const GenerateOptions& options, std::vector<Answer>& answers,
           const std::function<void(size_t, int32_t)>& on_token)
      : decoder_(decoder),
        prompts_(prompts),
        options_(options),
        answers_(answers),
        on_token_(on_token),
        places_(prompts.size()),
        cache_(decoder.config(), 0, decoder.options()) {
    std::vector<const Adapter*> adapters;
    for (const GenerationPrompt& prompt : prompts)
      if (std::ranges::find(adapters, prompt.adapter) == adapters.end()) adapters.push_back(prompt.adapter);
    for (const Adapter* adapter : adapters) plant(adapter);
    for (const PromptTree::Run& run : tree_.runs) runs_.push_back({.users = run.users});
  }

  // Gives how many tokens were read.
  int64_t run() {
    while (next_leaf_ < tree_.leaves.size() || !active_.empty()) step();
    return tokens_read_;
  }

 private:
  struct RunRows {
    int64_t first_row = -1;  // not read yet
    size_t users = 0;        // answers that are not finished
  };

  void plant(const Adapter* adapter) {
    std::vector<std::vector<int32_t>> texts;
    std::vector<size_t> which;
    for (size_t p = 0; p < prompts_.size(); ++p) {
      if (prompts_[p].adapter != adapter) continue;
      places_[p] = which.size();
      which.push_back(p);
      texts.push_back(prompts_[p].ids);
    }
    // Where angles depend on the whole text's length, equal tokens do not have equal keys.
    append(tree_, decoder_.config().long_rope_length() > 0 ? nothing_shared(texts) : shared_prefixes(texts),
           which);
  }

  void step() {
    CachedTokens tokens;
    std::vector<Sequence> sequences = std::move(active_);
    active_.clear();
    for (Sequence& s : sequences) add_next(tokens, s);
    while (next_leaf_ < tree_.leaves.size() &&
           static_cast<int64_t>(sequences.size()) < std::max<int64_t>(1, options_.batch_size)) {
      const PromptTree::Leaf& leaf = tree_.leaves[next_leaf_];
      const auto planned = static_cast<int64_t>(tokens.ids.size());
      if (planned > 0 && planned + unread(leaf) > kPrefillTokens) break;
      sequences.push_back(add_prompt(tokens, leaf));
      ++next_leaf_;
    }
    cache_.reserve(pool_.capacity());
    tokens_read_ += static_cast<int64_t>(tokens.ids.size());
    choose(decoder_.forward_cached(tokens, cache_), sequences);
  }

  static int64_t length(const PromptTree::Run& run) { return run.end - run.begin; }
  int64_t limit(size_t prompt) const {
    return answer_limit(options_, static_cast<int64_t>(prompts_[prompt].ids.size()),
                        decoder_.config().max_position_embeddings);
  }

  // Tokens that must be read before the leaf's answer can begin.
  int64_t unread(const PromptTree::Leaf& leaf) const {
    int64_t tokens = static_cast<int64_t>(prompts_[leaf.prompt].ids.size()) - leaf.begin;
    for (size_t r = leaf.parent; r != PromptTree::kNone; r = tree_.runs[r].parent)
      if (runs_[r].first_row < 0) tokens += length(tree_.runs[r]);
    return tokens;
  }

  Sequence add_prompt(CachedTokens& tokens, const PromptTree::Leaf& leaf) {
    std::vector<size_t> path;  // outermost first
    for (size_t r = leaf.parent; r != PromptTree::kNone; r = tree_.runs[r].parent) path.push_back(r);
    std::ranges::reverse(path);
    std::vector<ops::KeyRange> shared;
    for (const size_t r : path) {
      const PromptTree::Run& run = tree_.runs[r];
      if (runs_[r].first_row < 0) {
        runs_[r].first_row = pool_.take(length(run));
        add_tokens(tokens, prompts_[run.prompt].ids, run.begin, run.end, runs_[r].first_row, shared);
        add_adapter(tokens, leaf.prompt);
      }
      shared.push_back({runs_[r].first_row, runs_[r].first_row + length(run)});
    }
    const auto n = static_cast<int64_t>(prompts_[leaf.prompt].ids.size());
    const int64_t room = n - leaf.begin + limit(leaf.prompt);
    Sequence s{leaf.prompt, leaf.parent, std::move(shared), leaf.begin, pool_.take(room), room, n};
    add_tokens(tokens, prompts_[leaf.prompt].ids, leaf.begin, n, s.first_row, s.shared);
    add_adapter(tokens, leaf.prompt);
    tokens.rows.push_back(static_cast<int64_t>(tokens.ids.size()) - 1);
    return s;
  }

  // The tokens that were added last are read with the prompt's adapter.
  void add_adapter(CachedTokens& tokens, size_t prompt) const {
    const Adapter* adapter = prompts_[prompt].adapter;
    if (!adapter) return;
    const ops::AttentionBlock& block = tokens.layout.blocks.back();
    if (!tokens.adapters.empty() && tokens.adapters.back().adapter == adapter &&
        tokens.adapters.back().end == block.q_begin)
      tokens.adapters.back().end = block.q_end;
    else
      tokens.adapters.push_back({block.q_begin, block.q_end, adapter});
  }

  // Tokens [begin, end) of a text; their keys go to cache rows row … and they see `context` before them.
  static void add_tokens(CachedTokens& tokens, const std::vector<int32_t>& ids, int64_t begin, int64_t end,
                         int64_t row, const std::vector<ops::KeyRange>& context) {
    const auto at = static_cast<int64_t>(tokens.ids.size());
    for (int64_t i = begin; i < end; ++i) {
      tokens.ids.push_back(ids[static_cast<size_t>(i)]);
      tokens.positions.push_back(i);
      tokens.cache_rows.push_back(row + i - begin);
    }
    tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
    tokens.layout.blocks.push_back({at, at + end - begin, row, context});
  }

  // The token that was chosen for a running answer.
  void add_next(CachedTokens& tokens, Sequence& s) {
    if (s.length > 0 && s.length == decoder_.config().long_rope_length()) {
      // With its next token it counts as long, and all that is cached of it was turned by the rope of short ones.
      std::vector<int32_t> ids = prompts_[s.prompt].ids;
      ids.insert(ids.end(), answers_[s.prompt].ids.begin(), answers_[s.prompt].ids.end());
      add_tokens(tokens, ids, 0, static_cast<int64_t>(ids.size()), s.first_row, {});
    } else {
      std::vector<ops::KeyRange> context = s.shared;
      context.push_back({s.first_row, s.end_row()});
      tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
      const auto at = static_cast<int64_t>(tokens.ids.size());
      tokens.layout.blocks.push_back({at, at + 1, s.end_row(), std::move(context)});
      tokens.ids.push_back(s.next);
      tokens.positions.push_back(s.length);
      tokens.cache_rows.push_back(s.end_row());
    }
    add_adapter(tokens, s.prompt);
    tokens.rows.push_back(static_cast<int64_t>(tokens.ids.size()) - 1);
    ++s.length;
  }

  // Draws each sequence's next token; those that go on become active.
  void choose(const at::Tensor& logits, std::vector<Sequence>& sequences) {
    const at::Tensor numbers = logits.to(at::kFloat).contiguous();
    const int64_t vocab = numbers.size(1);
    at::parallel_for(0, static_cast<int64_t>(sequences.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Sequence& s = sequences[static_cast<size_t>(i)];
        Random random(options_.sampling.seed, mix64(places_[s.prompt], answers_[s.prompt].ids.size()));
        s.next = sample(numbers.const_data_ptr<float>() + i * vocab, vocab, options_.sampling, random);
      }
    });
    for (Sequence& s : sequences) {
      Answer& answer = answers_[s.prompt];
      if (std::ranges::find(options_.stop_ids, s.next) != options_.stop_ids.end()) {
        answer.stopped = true;
        finish(s);
        continue;
      }
      answer.ids.push_back(s.next);
      if (on_token_) on_token_(s.prompt, s.next);
      if (static_cast<int64_t>(answer.ids.size()) < limit(s.prompt))
        active_.push_back(std::move(s));
      else
        finish(s);
    }
  }

  // Gives back its rows, and those of runs that nobody needs any more.
  void finish(const Sequence& s) {
    pool_.give_back(s.first_row, s.room);
    for (size_t r = s.parent; r != PromptTree::kNone; r = tree_.runs[r].parent)
      if (--runs_[r].users == 0) pool_.give_back(runs_[r].first_row, length(tree_.runs[r]));
  }

  const Decoder& decoder_;
  const std::vector<GenerationPrompt>& prompts_;
  const GenerateOptions& options_;
  std::vector<Answer>& answers_;
  const std::function<void(size_t, int32_t)>& on_token_;
  std::vector<size_t> places_;  // of each prompt among those of its adapter
  PromptTree tree_;
  std::vector<RunRows> runs_;  // as tree_.runs
  RowPool pool_;
  KvCache cache_;
  size_t next_leaf_ = 0;
  int64_t tokens_read_ = 0;
  std::vector<Sequence> active_;
};

void check(const Decoder& decoder, const std::vector<GenerationPrompt>& prompts,
           const GenerateOptions& options) {
  validate(options.sampling);
  if (options.max_new_tokens < 1)
    throw Error::input({.where = "max_new_tokens",
                        .found = fmt::format("it is {}", options.max_new_tokens),
                        .expected = "1 or more"});
  const int64_t context = decoder.config().max_position_embeddings;
  for (size_t p = 0; p < prompts.size(); ++p) {
    const auto n = static_cast<int64_t>(prompts[p].ids.size());
    if (n == 0)
      throw Error::input({.where = fmt::format("prompt {}", p + 1), .found = "the prompt is empty"});
    const int64_t asked = options.within_context ? 1 : options.max_new_tokens;
    if (n > context || asked > context - n)
      throw Error::input(
          {.where = fmt::format("prompt {}", p + 1),
           .found = fmt::format("{} tokens and {} new ones do not fit the model's context", n, asked),
           .expected = fmt::format("at most {} together", context),
           .fix = "Shorten the prompt, or lower max_new_tokens."});
  }
}

}  // namespace

int64_t answer_limit(const GenerateOptions& options, int64_t prompt_tokens, int64_t context) {
  return options.within_context ? std::min(options.max_new_tokens, context - prompt_tokens)
                                : options.max_new_tokens;
}

std::vector<Answer> generate(const Decoder& decoder, const std::vector<GenerationPrompt>& prompts,
                             const GenerateOptions& options,
                             const std::function<void(size_t, int32_t)>& on_token, int64_t* tokens_read) {
  check(decoder, prompts, options);
  std::vector<Answer> answers(prompts.size());
  const int64_t read = Schedule(decoder, prompts, options, answers, on_token).run();
  if (tokens_read) *tokens_read = read;
  return answers;
}

std::vector<Answer> generate(const Decoder& decoder, const Adapter* adapter,
                             const std::vector<std::vector<int32_t>>& prompts, const GenerateOptions& options,
                             const std::function<void(size_t, int32_t)>& on_token, int64_t* tokens_read) {
  std::vector<GenerationPrompt> all;
  for (const std::vector<int32_t>& ids : prompts) all.push_back({ids, adapter});
  return generate(decoder, all, options, on_token, tokens_read);
}

}  // namespace lora
