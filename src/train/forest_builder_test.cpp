// Layouts by hand, and properties that hold for every forest.
#include "train/forest_builder.h"

#include <gtest/gtest.h>

#include <set>

#include "train/testing.h"

namespace lora {
namespace {

using testing::example;
using testing::pointers;
using testing::ragged_examples;
using Ids = std::vector<int64_t>;

Ids flatten(const ops::AttentionLayout& layout) {  // q_begin, q_end, self_begin, contexts… of each block
  Ids numbers;
  for (const ops::AttentionBlock& b : layout.blocks) {
    numbers.insert(numbers.end(), {b.q_begin, b.q_end, b.self_begin});
    for (const ops::KeyRange& range : b.context) numbers.insert(numbers.end(), {range.begin, range.end});
  }
  return numbers;
}

const std::vector<int32_t> kPrefix{10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

std::vector<int32_t> after_prefix(std::initializer_list<int32_t> tail) {
  std::vector<int32_t> ids = kPrefix;
  ids.insert(ids.end(), tail);
  return ids;
}

TEST(BuildForest, LaysACommonPrefixOnce) {
  const std::vector<Example> rows{example(after_prefix({40, 41}), 10),
                                  example(after_prefix({30, 31, 32}), 10)};
  const Forest f = build_forest(pointers(rows), true);
  EXPECT_EQ(f.ids, (Ids{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 30, 31, 40}));
  EXPECT_EQ(f.positions, (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 10}));
  EXPECT_EQ(flatten(f.layout), (Ids{0, 10, 0, 10, 12, 10, 0, 10, 12, 13, 12, 0, 10}));
  EXPECT_EQ(f.layout.tree_begin, (std::vector<size_t>{0}));
  EXPECT_EQ(f.rows, (Ids{9, 12, 9, 10, 11}));
  EXPECT_EQ(f.targets, (Ids{40, 41, 30, 31, 32}));
  EXPECT_EQ(f.row_examples, (Ids{0, 0, 1, 1, 1}));
  EXPECT_EQ(f.num_examples, 2);
  EXPECT_EQ(f.num_tokens, 11 + 12);
}

TEST(BuildForest, WithoutSharingEveryExampleIsATreeFromPositionZero) {
  const std::vector<Example> rows{example(after_prefix({40, 41}), 10),
                                  example(after_prefix({30, 31, 32}), 10)};
  const Forest f = build_forest(pointers(rows), false);
  EXPECT_EQ(f.unique_tokens(), 23);
  EXPECT_EQ(flatten(f.layout), (Ids{0, 11, 0, 11, 23, 11}));
  EXPECT_EQ(f.layout.tree_begin, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(f.positions[11], 0);
  EXPECT_EQ(f.rows, (Ids{9, 10, 20, 21, 22}));
}

TEST(BuildForest, PrefixesOfFewerThanEightTokensAreNotShared) {
  const std::vector<Example> rows{example({1, 2, 3, 4, 5, 6, 7, 30, 31}, 7),
                                  example({1, 2, 3, 4, 5, 6, 7, 40, 41}, 7)};
  const Forest f = build_forest(pointers(rows), true);
  EXPECT_EQ(f.unique_tokens(), 16);
  EXPECT_EQ(f.layout.tree_begin, (std::vector<size_t>{0, 1}));
}

TEST(BuildForest, DuplicatesAreLaidOnceAndScoredTwice) {
  const std::vector<Example> rows{example(after_prefix({30, 31}), 10), example(after_prefix({30, 31}), 10)};
  const Forest f = build_forest(pointers(rows), true);
  EXPECT_EQ(f.unique_tokens(), 11);
  EXPECT_EQ(flatten(f.layout), (Ids{0, 11, 0}));
  EXPECT_EQ(f.rows, (Ids{9, 10, 9, 10}));
  EXPECT_EQ(f.row_examples, (Ids{0, 0, 1, 1}));
  EXPECT_EQ(f.num_tokens, 22);
}

TEST(BuildForest, AnExampleThatIsAPrefixOfAnotherAddsNothing) {
  const std::vector<Example> rows{example(after_prefix({30, 31, 32}), 10), example(after_prefix({30}), 8)};
  const Forest f = build_forest(pointers(rows), true);
  EXPECT_EQ(f.ids, (Ids{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 30, 31}));
  EXPECT_EQ(flatten(f.layout), (Ids{0, 10, 0, 10, 12, 10, 0, 10}));
  EXPECT_EQ(f.rows, (Ids{9, 10, 11, 7, 8, 9}));
  EXPECT_EQ(f.targets, (Ids{30, 31, 32, 18, 19, 30}));
}

TEST(BuildForest, WhatFollowsTheLastTargetIsNotLaid) {
  Example row = example(after_prefix({30, 31, 32, 33}), 10);
  row.supervised[12] = row.supervised[13] = 0;
  const Forest f = build_forest({&row}, true);
  EXPECT_EQ(f.unique_tokens(), 11) << "the last target, 31, is not read either";
  EXPECT_EQ(f.targets, (Ids{30, 31}));
}

TEST(BuildForest, ThreeLevels) {
  std::vector<int32_t> deep = after_prefix({50, 51, 52, 53, 54, 55, 56, 57});
  std::vector<int32_t> a = deep, b = deep;
  a.insert(a.end(), {60, 61});
  b.insert(b.end(), {59, 61});
  const std::vector<Example> rows{example(a, 18), example(after_prefix({20, 21}), 10), example(b, 18)};
  const Forest f = build_forest(pointers(rows), true);
  EXPECT_EQ(flatten(f.layout), (Ids{0,  10, 0,                     // the prefix
                                    10, 11, 10, 0, 10,             // 20
                                    11, 19, 11, 0, 10,             // 50 … 57
                                    19, 20, 19, 0, 10, 11, 19,     // 59
                                    20, 21, 20, 0, 10, 11, 19}));  // 60
  EXPECT_EQ(f.positions[20], 18);
}

// Rows that the token in `row` sees, in order, itself last; empty when it does not stand in exactly one block.
Ids seen_by(const Forest& f, int64_t row) {
  Ids seen;
  int blocks = 0;
  for (const ops::AttentionBlock& b : f.layout.blocks) {
    if (row < b.q_begin || row >= b.q_end) continue;
    ++blocks;
    for (const ops::KeyRange& range : b.context)
      for (int64_t k = range.begin; k < range.end; ++k) seen.push_back(k);
    for (int64_t k = b.self_begin; k <= b.self_begin + row - b.q_begin; ++k) seen.push_back(k);
  }
  return blocks == 1 ? seen : Ids{};
}

// Everything that a token of the forest sees is its example up to it, and every target is scored.
void expect_sound(const Forest& f, const std::vector<const Example*>& examples) {
  size_t scored = 0;
  for (size_t e = 0; e < examples.size(); ++e) {
    for (size_t target = 1; target < examples[e]->ids.size(); ++target) {
      if (!examples[e]->supervised[target]) continue;
      ASSERT_LT(scored, f.rows.size());
      ASSERT_EQ(f.row_examples[scored], static_cast<int64_t>(e));
      ASSERT_EQ(f.targets[scored], examples[e]->ids[target]);
      const Ids seen = seen_by(f, f.rows[scored]);
      ASSERT_EQ(seen.size(), target) << "example " << e << " target " << target;
      uint64_t key = 0;
      for (size_t i = 0; i < target; ++i) {
        const auto row = static_cast<size_t>(seen[i]);
        ASSERT_EQ(f.ids[row], examples[e]->ids[i]);
        ASSERT_EQ(f.positions[row], static_cast<int64_t>(i));
        key = next_path_key(key, f.ids[row]);
        ASSERT_EQ(f.path_keys[row], key);
      }
      ++scored;
    }
  }
  EXPECT_EQ(scored, f.rows.size());
  // Blocks divide the rows, and trees divide the blocks: nothing outside a tree is seen from inside it.
  int64_t next = 0;
  for (const ops::AttentionBlock& b : f.layout.blocks) {
    ASSERT_EQ(b.q_begin, next);
    ASSERT_EQ(b.self_begin, b.q_begin);
    ASSERT_GT(b.q_end, b.q_begin);
    next = b.q_end;
  }
  ASSERT_EQ(next, f.unique_tokens());
  const std::vector<size_t>& trees = f.layout.tree_begin;
  ASSERT_FALSE(trees.empty());
  ASSERT_EQ(trees[0], 0u);
  for (size_t t = 0; t < trees.size(); ++t) {
    const size_t end = t + 1 < trees.size() ? trees[t + 1] : f.layout.blocks.size();
    ASSERT_LT(trees[t], end);
    const int64_t first_row = f.layout.blocks[trees[t]].q_begin;
    for (size_t b = trees[t]; b < end; ++b)
      for (const ops::KeyRange& range : f.layout.blocks[b].context) ASSERT_GE(range.begin, first_row);
  }
}

TEST(BuildForest, EveryTokenSeesItsExampleAndNothingElse) {
  int64_t shared = 0, alone = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    // A small vocabulary makes accidental common prefixes too.
    const std::vector<Example> rows = ragged_examples(1 + seed % 17, seed, seed % 2 ? 3 : 50);
    for (const bool share : {true, false}) {
      const Forest f = build_forest(pointers(rows), share);
      expect_sound(f, pointers(rows));
      if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << " sharing " << share;
      (share ? shared : alone) += f.unique_tokens();
    }
  }
  EXPECT_LT(shared, alone * 0.8) << "sharing must save something, or these rows test nothing";
}

// Rows of up to 20 tokens and longer ones begin alike, and share nothing; within each kind they do.
TEST(BuildForest, LongAndShortExamplesShareNothing) {
  std::vector<Example> rows;
  std::vector<int32_t> ids(16, 5);
  for (const int32_t more : {4, 5, 3, 9}) {
    std::vector<int32_t> row = ids;
    for (int32_t i = 0; i < more; ++i) row.push_back(10 * more + i);
    rows.push_back(testing::example(row, 12, rows.size() + 1));
  }
  const auto all = testing::pointers(rows);
  EXPECT_EQ(build_forest(all, true).layout.tree_begin.size(), 1u);
  const Forest forest = build_forest(all, true, 20);
  ASSERT_EQ(forest.layout.tree_begin.size(), 2u);
  const int64_t border = forest.layout.blocks[forest.layout.tree_begin[1]].q_begin;
  EXPECT_EQ(border, 16 + 3 + 2);                           // rows 0 and 2, without their last tokens
  EXPECT_EQ(forest.unique_tokens(), border + 16 + 4 + 8);  // rows 1 and 3
  for (int64_t t = 0; t < forest.unique_tokens(); ++t)
    EXPECT_EQ(forest.example_lengths[static_cast<size_t>(t)] > 20, t >= border) << t;
  for (const auto& members : deal(all, {.max_tokens = 40, .split_length = 20})) EXPECT_EQ(members.size(), 2u);
}

TEST(Deal, CoversEveryExampleOnceWithinTheLimit) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const std::vector<Example> rows = ragged_examples(40, seed, seed % 2 ? 3 : 50);
    for (const bool share : {true, false}) {
      for (const int64_t limit : {1, 30, 64, 200, 100000}) {
        std::set<size_t> seen;
        size_t count = 0;
        for (const std::vector<size_t>& members :
             deal(pointers(rows), {.share_prefixes = share, .max_tokens = limit})) {
          ASSERT_FALSE(members.empty());
          std::vector<const Example*> part;
          for (const size_t i : members) {
            seen.insert(i);
            part.push_back(&rows[i]);
          }
          count += members.size();
          if (members.size() > 1) {
            EXPECT_LE(build_forest(part, share).unique_tokens(), limit)
                << "seed " << seed << " sharing " << share;
          }
        }
        EXPECT_EQ(count, rows.size());
        EXPECT_EQ(seen.size(), rows.size());
        EXPECT_EQ(*seen.rbegin(), rows.size() - 1);
      }
    }
  }
}

TEST(EachForest, SharesWhereItSavesATwentieth) {
  for (const int32_t common : {9, 12}) {
    std::vector<Example> rows;
    for (int32_t e = 0; e < 2; ++e) {
      std::vector<int32_t> ids;
      for (int32_t i = 0; i < 101; ++i) ids.push_back(i < common ? i : 200 * (e + 1) + i);
      rows.push_back(testing::example(ids, 95, rows.size() + 1));
    }
    ASSERT_EQ(rows[0].input_length(), 100);
    const bool pays = common >= 10;  // of 200 tokens
    EXPECT_EQ(sharing_pays(pointers(rows), {.max_tokens = 1000}), pays);
    EXPECT_FALSE(sharing_pays(pointers(rows), {.share_prefixes = false, .max_tokens = 1000}));
    each_forest(pointers(rows), {.max_tokens = 1000}, [&](const Forest& forest, const auto&) {
      EXPECT_EQ(forest.unique_tokens(), pays ? 200 - common : 200);
    });
  }
}

TEST(Deal, OneForestWhenAllFits) {
  const std::vector<Example> rows = ragged_examples(40, 1, 50);
  EXPECT_EQ(deal(pointers(rows), {.max_tokens = 100000}).size(), 1u);
  EXPECT_EQ(deal(pointers(rows), {.max_tokens = 1}).size(), 40u);
}

TEST(Deal, KeepsTheOrderWithoutSharing) {
  const std::vector<Example> rows = ragged_examples(12, 2, 50);
  size_t next = 0;
  for (const auto& members : deal(pointers(rows), {.share_prefixes = false, .max_tokens = 40}))
    for (const size_t i : members) EXPECT_EQ(i, next++);
}

}  // namespace
}  // namespace lora
