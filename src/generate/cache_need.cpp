#include "generate/cache_need.h"

#include <algorithm>

#include "generate/prompt_tree.h"

namespace lora {

CacheNeed cache_need(const ModelConfig& model, const std::vector<std::vector<int32_t>>& prompts,
                     const GenerateOptions& options) {
  CacheNeed need;
  if (prompts.empty()) return need;
  const PromptTree tree = model.long_rope_length() > 0 ? nothing_shared(prompts) : shared_prefixes(prompts);
  std::vector<bool> read(tree.runs.size());
  std::vector<int64_t> rooms;  // of the answers under way, as they join
  int64_t shared = 0, own = 0, pass = 0, capacity = 0;
  const auto batch = static_cast<size_t>(std::max<int64_t>(1, options.batch_size));
  // The cache grows by half or more when a pass is about to be read (KvCache::reserve).
  const auto end_pass = [&] {
    if (shared + own > capacity) capacity = std::max(shared + own, capacity + capacity / 2);
    need.prefill_tokens =
        std::max(need.prefill_tokens, pass + static_cast<int64_t>(std::min(rooms.size(), batch)));
    pass = 0;
  };
  for (const PromptTree::Leaf& leaf : tree.leaves) {
    const auto length = static_cast<int64_t>(prompts[leaf.prompt].size());
    const int64_t answer = answer_limit(options, length, model.max_position_embeddings);
    need.longest = std::max(need.longest, length + answer);
    int64_t unread = length - leaf.begin, runs = 0;
    for (size_t r = leaf.parent; r != PromptTree::kNone; r = tree.runs[r].parent)
      if (!read[r]) {
        read[r] = true;
        runs += tree.runs[r].end - tree.runs[r].begin;
      }
    unread += runs;
    if (pass > 0 && pass + unread > kPrefillTokens) end_pass();
    pass += unread;
    need.prompt_tokens += unread;
    // Of the shared runs those of ended answers are given back; that all are held at once is the worst case.
    shared += runs;
    rooms.push_back(length - leaf.begin + answer);
    own += rooms.back();
    if (rooms.size() > batch) own -= rooms[rooms.size() - 1 - batch];
  }
  end_pass();
  need.rows = capacity;
  return need;
}

}  // namespace lora
