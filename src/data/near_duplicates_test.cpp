#include "data/near_duplicates.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/random.h"
#include "data/words.h"

namespace lora {
namespace {

WordStore store_of(const std::vector<std::string>& texts, size_t budget = size_t{1} << 20) {
  WordStore store(budget);
  std::vector<uint32_t> words;
  for (const std::string& text : texts) {
    words.clear();
    append_word_hashes(text, words);
    store.add(words);
  }
  return store;
}

std::string random_text(Random& random, size_t words, uint64_t vocabulary = 3000) {
  std::string text;
  for (size_t i = 0; i < words; ++i) text += fmt::format("w{} ", random.below(vocabulary));
  return text;
}

// By comparing each with each.
std::map<std::pair<uint32_t, uint32_t>, double> all_pairs(const WordStore& texts, double threshold) {
  std::vector<std::vector<uint32_t>> sets(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) shingles_of(texts.read(i), sets[i]);
  std::map<std::pair<uint32_t, uint32_t>, double> pairs;
  for (uint32_t j = 0; j < sets.size(); ++j)
    for (uint32_t i = 0; i < j; ++i)
      if (const double s = jaccard(sets[i], sets[j]); !sets[i].empty() && s >= threshold) pairs[{i, j}] = s;
  return pairs;
}

TEST(NearDuplicates, FindsThePairsThatComparingAllFinds) {
  Random random(7);
  std::vector<std::string> texts;
  while (texts.size() < 600) {
    texts.push_back(random_text(random, 5 + random.below(60)));
    for (uint64_t copies = random.below(3); copies > 0; --copies) {
      std::vector<std::string> words = words_of(texts.back());
      for (uint64_t changes = random.below(1 + words.size() / 10 + 1); changes > 0; --changes)
        words[random.below(words.size())] = fmt::format("x{}", random.below(100));
      std::string text;
      for (const std::string& word : words) text += word + " ";
      texts.push_back(text);
    }
  }
  const WordStore store = store_of(texts);
  const auto expected = all_pairs(store, 0.8);
  const auto found = find_near_duplicates(store, {});
  ASSERT_GT(expected.size(), 100u);
  EXPECT_GE(found.size(), expected.size() * 99 / 100);
  for (const NearPair& pair : found) {
    const auto at = expected.find({pair.first, pair.second});
    ASSERT_NE(at, expected.end());
    EXPECT_NEAR(at->second, pair.similarity, 1e-6);
  }
  for (const size_t budget : {size_t{0}, size_t{5000}}) {
    const WordStore spilled = store_of(texts, budget);
    EXPECT_EQ(find_near_duplicates(spilled, {.memory_budget = budget}), found)
        << "a temporary file changes nothing";
  }
}

TEST(NearDuplicates, CopiesAreTiedWithoutComparingAll) {
  std::vector<std::string> texts(20'000, "how do I reset the password of my account");
  const auto pairs = find_near_duplicates(store_of(texts), {});
  EXPECT_EQ(pairs.size(), texts.size() - 1) << "each to the first";
  for (const NearPair& pair : pairs) EXPECT_EQ(pair.first, 0u);
  texts.resize(4);
  EXPECT_EQ(find_near_duplicates(store_of(texts), {}).size(), 6u) << "few are all paired";
}

TEST(NearDuplicates, ACrowdStaysLinearAndConnected) {
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i)
    texts.push_back("how do I reset the password of my account in the shop for garden tools number" +
                    std::to_string(i));
  const auto pairs = find_near_duplicates(store_of(texts), {});
  EXPECT_LE(pairs.size(), texts.size() * 48);
  std::set<uint32_t> tied;
  for (const NearPair& pair : pairs) tied.insert(pair.second);
  EXPECT_EQ(tied.size(), texts.size() - 1) << "every text but the first is near an earlier one";
}

TEST(NearDuplicates, LooksPastBoilerplate) {
  // 1,500 rows under one long instruction, among them one pair that is close in what is its own.
  Random random(3);
  const std::string instruction = random_text(random, 80);
  std::vector<std::string> texts;
  for (int i = 0; i < 1500; ++i) texts.push_back(instruction + random_text(random, 12, 100'000));
  texts.push_back(texts[200] + "indeed");
  const auto pairs =
      find_near_duplicates(store_of(texts), {.look_past_boilerplate = true, .most_per_text = 2});
  EXPECT_TRUE(std::any_of(pairs.begin(), pairs.end(),
                          [](const NearPair& pair) { return pair.first == 200 && pair.second == 1500; }));
}

TEST(NearDuplicates, TheBorderGivesPairsAcrossIt) {
  const std::vector<std::string> texts = {"one two three four five six",
                                          "a b c d e f",
                                          "one two three four five six",
                                          "a b c d e f",
                                          "a b c d e f",
                                          "one two three four five seven eight"};
  const auto pairs = find_near_duplicates(store_of(texts), {.threshold = 0.5, .border = 2});
  std::set<std::pair<uint32_t, uint32_t>> found;
  for (const NearPair& pair : pairs) found.emplace(pair.first, pair.second);
  EXPECT_EQ(found, (std::set<std::pair<uint32_t, uint32_t>>{{0, 2}, {1, 3}, {1, 4}, {0, 5}}));
}

TEST(NearDuplicates, AcrossTheBorderNoCopyIsLeftOut) {
  const auto tied = [](const std::vector<std::string>& texts) {
    std::set<uint32_t> behind;
    const auto pairs =
        find_near_duplicates(store_of(texts), {.threshold = 0.5, .most_per_text = 4, .border = 1});
    for (const NearPair& pair : pairs) behind.insert(pair.second);
    return behind.size();
  };
  std::vector<std::string> texts(30, "one two three four five six seven eight nine eleven");
  texts[0] = "one two three four five six seven eight nine ten";
  EXPECT_EQ(tied(texts), 29u);
  // Other texts with equal shingles.
  EXPECT_EQ(tied({"go on go on", "go on go on go on", "go on go on go on"}), 2u);
}

TEST(NearDuplicates, EqualLabelsAreNotCrowdedOut) {
  for (const uint32_t n : {6u, 30u}) {
    const std::vector<std::string> texts(n, "how do I reset the password of my account");
    std::vector<uint64_t> labels(n);
    for (size_t i = 0; i < n; ++i) labels[i] = i + 1;
    labels[n - 1] = labels[n - 2];
    const auto pairs = find_near_duplicates(store_of(texts), {.most_per_text = 2, .labels = labels});
    EXPECT_TRUE(std::any_of(pairs.begin(), pairs.end(), [&](const NearPair& pair) {
      return pair.first == n - 2 && pair.second == n - 1;
    })) << n;
    EXPECT_LE(pairs.size(), 3 * texts.size());
  }
}

TEST(NearDuplicates, TextsWithoutWordsAreInNoPair) {
  EXPECT_TRUE(find_near_duplicates(store_of({"", "?!", "", "a"}), {.threshold = 0.1}).empty());
  EXPECT_TRUE(find_near_duplicates(store_of({}), {}).empty());
}

TEST(Shingles, AreWordsAndPairsOfWords) {
  const std::vector<uint32_t> words = {4, 8, 4, 8};
  std::vector<uint32_t> set;
  shingles_of(words, set);
  EXPECT_EQ(set.size(), 4u);  // 4, 8, 4 8, 8 4
  EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
  EXPECT_EQ(jaccard(set, set), 1);
  EXPECT_EQ(jaccard({}, {}), 1);
  EXPECT_EQ(jaccard(set, {}), 0);
  const std::vector<uint32_t> other = {4, 9};
  std::vector<uint32_t> two;
  shingles_of(other, two);
  EXPECT_DOUBLE_EQ(jaccard(set, two), 1.0 / 6);
}

}  // namespace
}  // namespace lora
