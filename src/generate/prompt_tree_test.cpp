// The tree of prompts: every prompt is its runs and its leaf, and what is shared stands once.
#include "generate/prompt_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace lora {
namespace {

using Prompts = std::vector<std::vector<int32_t>>;

// Puts each prompt together again from the tree.
std::map<size_t, std::vector<int32_t>> rebuilt(const PromptTree& tree, const Prompts& prompts) {
  std::map<size_t, std::vector<int32_t>> whole;
  for (const PromptTree::Leaf& leaf : tree.leaves) {
    std::vector<const PromptTree::Run*> path;
    for (size_t r = leaf.parent; r != PromptTree::kNone; r = tree.runs[r].parent)
      path.push_back(&tree.runs[r]);
    std::reverse(path.begin(), path.end());
    std::vector<int32_t>& ids = whole[leaf.prompt];
    for (const auto* run : path) {
      EXPECT_EQ(static_cast<int64_t>(ids.size()), run->begin);
      ids.insert(ids.end(), prompts[run->prompt].begin() + run->begin,
                 prompts[run->prompt].begin() + run->end);
    }
    EXPECT_EQ(static_cast<int64_t>(ids.size()), leaf.begin);
    EXPECT_LT(leaf.begin, static_cast<int64_t>(prompts[leaf.prompt].size()));
    ids.insert(ids.end(), prompts[leaf.prompt].begin() + leaf.begin, prompts[leaf.prompt].end());
  }
  return whole;
}

void expect_whole(const Prompts& prompts, const PromptTree& tree) {
  const auto whole = rebuilt(tree, prompts);
  ASSERT_EQ(whole.size(), prompts.size());
  for (size_t p = 0; p < prompts.size(); ++p) EXPECT_EQ(whole.at(p), prompts[p]);
}

int64_t tokens_laid(const PromptTree& tree, const Prompts& prompts) {
  int64_t tokens = 0;
  for (const auto& run : tree.runs) tokens += run.end - run.begin;
  for (const auto& leaf : tree.leaves)
    tokens += static_cast<int64_t>(prompts[leaf.prompt].size()) - leaf.begin;
  return tokens;
}

TEST(PromptTree, ACommonPrefixStandsOnce) {
  const Prompts prompts{{1, 2, 3, 4, 9}, {1, 2, 3, 4, 5, 6}, {7}};
  const PromptTree tree = shared_prefixes(prompts, 2);
  expect_whole(prompts, tree);
  ASSERT_EQ(tree.runs.size(), 1u);
  EXPECT_EQ(tree.runs[0].users, 2u);
  EXPECT_EQ(tokens_laid(tree, prompts), 4 + 1 + 2 + 1);
}

TEST(PromptTree, EqualPromptsShareAllButTheLastToken) {
  const Prompts prompts{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
  const PromptTree tree = shared_prefixes(prompts, 1);
  expect_whole(prompts, tree);
  EXPECT_EQ(tokens_laid(tree, prompts), 2 + 3);
}

TEST(PromptTree, ShortRunsStayWithTheirPrompts) {
  const Prompts prompts{{1, 2, 3, 4}, {1, 2, 3, 5}};
  EXPECT_EQ(shared_prefixes(prompts, 4).runs.size(), 0u);
  EXPECT_EQ(shared_prefixes(prompts, 3).runs.size(), 1u);
  expect_whole(prompts, shared_prefixes(prompts, 4));
}

TEST(PromptTree, NoneAndOne) {
  EXPECT_TRUE(shared_prefixes({}).leaves.empty());
  const Prompts one{{5, 6, 7}};
  expect_whole(one, shared_prefixes(one, 1));
  expect_whole(one, nothing_shared(one));
}

TEST(PromptTree, TreesStandBehindEachOther) {
  const Prompts prompts{{1, 2, 3, 4}, {7, 8, 9}, {1, 2, 3, 5}, {7, 8, 6}, {1, 2, 9}};
  PromptTree tree;
  append(tree, shared_prefixes({prompts[1], prompts[3]}, 1), {1, 3});
  append(tree, shared_prefixes({prompts[4], prompts[2], prompts[0]}, 1), {4, 2, 0});
  expect_whole(prompts, tree);
  EXPECT_EQ(tree.runs.size(), 3u);  // 7 8; 1 2; 3
  EXPECT_EQ(tree.leaves[0].prompt + tree.leaves[1].prompt, 4u);
}

// Random words over two letters agree at all depths.
TEST(PromptTree, RandomPromptsAreWhole) {
  Random random(1, 2);
  for (int round = 0; round < 300; ++round) {
    Prompts prompts(random.below(12));
    for (auto& prompt : prompts) {
      prompt.resize(1 + random.below(12));
      for (auto& id : prompt) id = static_cast<int32_t>(random.below(2));
    }
    for (const int64_t min_run : {1, 2, 5}) {
      const PromptTree tree = shared_prefixes(prompts, min_run);
      expect_whole(prompts, tree);
      for (const auto& run : tree.runs) EXPECT_GE(run.users, 2u);
      for (size_t r = 0; r < tree.runs.size(); ++r)
        EXPECT_TRUE(tree.runs[r].parent == PromptTree::kNone || tree.runs[r].parent < r);
    }
    // With runs of any length, each prefix that two prompts share is laid once: as many tokens as a trie has nodes,
    // where a prompt's last token is its own.
    std::map<std::vector<int32_t>, int> nodes;
    for (const auto& prompt : prompts)
      for (size_t n = 1; n < prompt.size(); ++n)
        nodes[{prompt.begin(), prompt.begin() + static_cast<long>(n)}]++;
    EXPECT_EQ(tokens_laid(shared_prefixes(prompts, 1), prompts),
              static_cast<int64_t>(nodes.size() + prompts.size()));
  }
}

}  // namespace
}  // namespace lora
