// What prompts have in common, as a tree: runs of tokens that several prompts begin with stand in it once (system
// prompts, few-shot blocks, earlier turns, at any depth). Pure lists of numbers; nothing is computed on them here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lora {

struct PromptTree {
  static constexpr size_t kNone = static_cast<size_t>(-1);

  // Tokens [begin, end) of every prompt below it; its parents hold the tokens before.
  struct Run {
    size_t parent = kNone;
    size_t prompt = 0;  // one of those that it is part of
    int64_t begin = 0, end = 0;
    size_t users = 0;  // prompts below it
  };
  struct Leaf {
    size_t prompt = 0;
    size_t parent = kNone;
    int64_t begin = 0;  // its own tokens begin here; at least one, its last, is always its own
  };

  std::vector<Run> runs;     // parents before their children
  std::vector<Leaf> leaves;  // so ordered that those of one run stand together
};

// Runs shorter than `min_run` tokens are not worth their own block and stay with the prompts.
// Precondition: no prompt is empty.
PromptTree shared_prefixes(const std::vector<std::vector<int32_t>>& prompts, int64_t min_run = 8);

// `part` with the prompts numbered as places[prompt], added to `tree` behind what it has.
void append(PromptTree& tree, const PromptTree& part, const std::vector<size_t>& places);

// Every prompt by itself, in order.
PromptTree nothing_shared(const std::vector<std::vector<int32_t>>& prompts);

}  // namespace lora
