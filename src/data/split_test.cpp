#include "data/split.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "data/chat_jsonl.h"

namespace lora {
namespace {

Conversation row(const std::string& user, const std::string& answer = "a", const std::string& system = "s") {
  return {.messages = {{"system", system}, {"user", user}, {"assistant", answer}}};
}

// n different rows, words only, so that digit folding has nothing to fold.
std::vector<Conversation> different_rows(size_t n, const std::string& system = "s") {
  std::vector<Conversation> rows;
  for (size_t i = 0; i < n; ++i) {
    std::string word;
    for (size_t k = i; k > 0 || word.empty(); k /= 26) word += static_cast<char>('a' + k % 26);
    rows.push_back(row(system + " question " + word, "answer " + word, system));
  }
  return rows;
}

std::set<uint64_t> hashes(const std::vector<Conversation>& rows) {
  std::set<uint64_t> out;
  for (const auto& r : rows) out.insert(content_hash(r));
  return out;
}

size_t shared(const std::set<uint64_t>& a, const std::set<uint64_t>& b) {
  return static_cast<size_t>(std::count_if(a.begin(), a.end(), [&](uint64_t h) { return b.contains(h); }));
}

TEST(Split, CoversAllRowsOnce) {
  for (size_t n : {3, 10, 60, 300, 1500}) {
    const auto rows = different_rows(n);
    const Split parts = split(rows, {});
    EXPECT_EQ(parts.train.size() + parts.valid.size() + parts.test.size(), n);
    EXPECT_TRUE(parts.set_aside.empty());
    std::set<uint64_t> all = hashes(parts.train);
    all.merge(hashes(parts.valid));
    all.merge(hashes(parts.test));
    EXPECT_EQ(all.size(), n) << "no row twice";
    EXPECT_TRUE(find_overlap(parts.train, parts.test).empty());
    EXPECT_TRUE(find_overlap(parts.train, parts.valid).empty());
    EXPECT_TRUE(find_overlap(parts.valid, parts.test).empty());
  }
}

TEST(Split, ChoosesSizesByTheNumberOfRows) {
  const auto sizes = [](size_t n) {
    const Split parts = split(different_rows(n), {});
    return std::array{parts.train.size(), parts.valid.size(), parts.test.size()};
  };
  EXPECT_EQ(sizes(300), (std::array<size_t, 3>{225, 25, 50}));
  EXPECT_EQ(sizes(100), (std::array<size_t, 3>{70, 10, 20}));
  EXPECT_EQ(sizes(30), (std::array<size_t, 3>{15, 5, 10}));
  EXPECT_EQ(sizes(2000), (std::array<size_t, 3>{1850, 50, 100}));
  EXPECT_NE(split(different_rows(300), {}).why.find("300 rows: 225 to train on, 25"), std::string::npos);
  EXPECT_NE(split(different_rows(9), {}).why.find("can never show"), std::string::npos);
}

TEST(Split, TakesTheSizesAsked) {
  const Split parts = split(different_rows(100), {.test_size = 30, .valid_size = 7});
  EXPECT_EQ(parts.test.size(), 30u);
  EXPECT_EQ(parts.valid.size(), 7u);
  EXPECT_THROW(split(different_rows(100), {.test_size = 93, .valid_size = 7}), Error);
  EXPECT_THROW(split(different_rows(100), {.test_size = SIZE_MAX, .valid_size = 7}), Error);
  EXPECT_THROW(split(different_rows(100), {.test_size = 7, .valid_size = SIZE_MAX}), Error);
  EXPECT_THROW(split(different_rows(2), {}), Error);
  EXPECT_THROW(split({}, {}), Error);
}

TEST(Split, IsAFunctionOfContentAndSeed) {
  auto rows = different_rows(200);
  const Split first = split(rows, {.seed = 1});
  std::vector<Conversation> shuffled;
  for (size_t i : Random(5).permutation(rows.size())) shuffled.push_back(rows[i]);
  EXPECT_EQ(hashes(split(shuffled, {.seed = 1}).test), hashes(first.test)) << "order does not matter";
  EXPECT_LT(shared(hashes(split(rows, {.seed = 2}).test), hashes(first.test)), 15u)
      << "another seed, another test set";
  for (size_t i = 1; i < first.train.size(); ++i) {
    const auto at = [&](const Conversation& r) {
      return std::find(rows.begin(), rows.end(), r) - rows.begin();
    };
    ASSERT_LT(at(first.train[i - 1]), at(first.train[i])) << "parts keep the order of the rows";
  }
}

TEST(Split, AppendedRowsMoveFewOthers) {
  const auto rows = different_rows(330);
  const std::vector<Conversation> before(rows.begin(), rows.begin() + 300);
  const Split a = split(before, {.test_size = 50, .valid_size = 25}),
              b = split(rows, {.test_size = 50, .valid_size = 25});
  EXPECT_GE(shared(hashes(a.test), hashes(b.test)), 40u);
  EXPECT_GE(shared(hashes(a.train), hashes(b.train)), 224u) << "what was trained on is not asked later";
}

TEST(Split, KeepsNearDuplicatesOnOneSideAndAsksOne) {
  std::vector<Conversation> rows;
  for (const auto& r : different_rows(100)) {
    rows.push_back(r);
    rows.push_back(
        row("S  QUESTION" + r.messages[1].content.substr(10) + "\n", "another answer"));  // case, white space
    rows.push_back(r);                                                                    // exact
  }
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Split parts = split(rows, {.seed = seed});
    EXPECT_EQ(parts.test.size(), 20u);
    EXPECT_EQ(parts.valid.size(), 10u);
    EXPECT_EQ(parts.set_aside.size(), 60u);
    EXPECT_EQ(parts.train.size(), 210u);
    EXPECT_TRUE(find_overlap(parts.train, parts.test).empty());
    EXPECT_TRUE(find_overlap(parts.train, parts.valid).empty());
    EXPECT_NE(parts.why.find("300 rows (100 different"), std::string::npos) << parts.why;
  }
}

TEST(Split, KeepsTheSharesOfSystemPrompts) {
  std::vector<Conversation> rows = different_rows(200, "one");
  for (const auto& r : different_rows(60, "two")) rows.push_back(r);
  for (const auto& r : different_rows(40, "three")) rows.push_back(r);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Split parts = split(rows, {.seed = seed});
    std::map<std::string, int> count;
    for (const auto& r : parts.test) ++count[r.messages[0].content];
    EXPECT_NEAR(count["one"], 50 * 200 / 300, 1);
    EXPECT_NEAR(count["two"], 10, 1);
    EXPECT_NEAR(count["three"], 50 * 40 / 300, 1);
  }
}

TEST(Split, SystemPromptsOfOneRowAreHeldOutToo) {
  std::vector<Conversation> rows = different_rows(100, "common");
  for (const auto& r : different_rows(100))
    rows.push_back(row(r.messages[1].content, "a", "prompt of " + r.messages[1].content));
  const Split parts = split(rows, {.test_size = 60, .valid_size = 20});
  const auto single = std::count_if(parts.test.begin(), parts.test.end(),
                                    [](const auto& r) { return r.messages[0].content != "common"; });
  EXPECT_GT(single, 15);
  EXPECT_LT(single, 45);
}

// Random rows of all kinds: templates, copies, changed copies, conversations that go on, plain text, several systems.
std::vector<Conversation> random_rows(uint64_t seed) {
  Random random(seed);
  const auto word = [&] {
    return fmt::format("{}{}x", static_cast<char>('a' + random.below(20)), random.below(40));
  };
  const auto words = [&](uint64_t n) {
    std::string text = word();
    for (uint64_t i = 1; i < n; ++i) text.append(" ").append(word());
    return text;
  };
  std::vector<Conversation> rows;
  const size_t n = 60 + random.below(200);
  while (rows.size() < n) {
    const uint64_t kind = rows.empty() ? 0 : random.below(8);
    Conversation next = rows.empty() ? Conversation{} : rows[random.below(rows.size())];
    if (kind < 3) {
      next = row(words(6 + random.below(20)), random.below(2) == 0 ? "yes" : words(8),
                 random.below(3) == 0 ? "" : "s");
      if (next.messages[0].content.empty()) next.messages.erase(next.messages.begin());
    } else if (kind == 3) {
      next = row("Please find the owner of the red " + word() + " in " + word() + " street", word(), "s");
    } else if (kind == 4) {  // a copy, changed in what does not count
      for (Message& m : next.messages)
        if (m.role == "user") m.content += " .";
    } else if (kind == 5) {  // one word more
      for (Message& m : next.messages)
        if (m.role == "user") m.content += " indeed";
    } else if (kind == 6 && !next.is_plain_text()) {  // a conversation that goes on
      next.messages.push_back({.role = "user", .content = words(5)});
      next.messages.push_back({.role = "assistant", .content = words(5)});
    } else {
      next = {.messages = {}, .text = words(20)};
    }
    next.golden = random.below(40) == 0;
    rows.push_back(next);
  }
  return rows;
}

TEST(Split, NothingThatBelongsTogetherIsParted) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    const auto rows = random_rows(seed);
    const auto groups = near_duplicate_groups(rows);
    std::map<uint64_t, uint64_t> group_of;  // by content
    for (size_t i = 0; i < rows.size(); ++i) group_of[content_hash(rows[i])] = groups[i];
    const Split parts = split(rows, {.seed = seed});
    std::map<uint64_t, std::set<int>> sides;
    int side = 0;
    for (const auto* part : {&parts.train, &parts.valid, &parts.test, &parts.golden}) {
      for (const auto& r : *part) sides[group_of.at(content_hash(r))].insert(side);
      ++side;
    }
    for (const auto& [group, on] : sides) ASSERT_EQ(on.size(), 1u) << "seed " << seed;
    // One row per group counts.
    for (const auto* part : {&parts.valid, &parts.test}) {
      std::set<uint64_t> seen;
      for (const auto& r : *part) ASSERT_TRUE(seen.insert(group_of.at(content_hash(r))).second);
    }
    ASSERT_EQ(parts.train.size() + parts.valid.size() + parts.test.size() + parts.golden.size() +
                  parts.set_aside.size(),
              rows.size());
    // By the plainest measure too: no question of train is asked.
    for (const Overlap& overlap : find_overlap(parts.train, parts.test)) ASSERT_FALSE(overlap.same_question);
    for (const auto& r : parts.train) ASSERT_FALSE(r.golden);
  }
}

TEST(Split, GoldenRowsAreAskedSeparately) {
  auto rows = different_rows(100);
  rows[7].golden = rows[50].golden = true;
  rows.push_back(rows[7]);
  rows.back().golden = false;
  rows.back().messages[1].content += "!";  // a near duplicate of a golden row
  const Split parts = split(rows, {});
  EXPECT_EQ(parts.golden.size(), 2u);
  EXPECT_EQ(parts.set_aside.size(), 1u);
  EXPECT_TRUE(find_overlap(parts.train, parts.golden).empty());
  EXPECT_TRUE(find_overlap(parts.test, parts.golden).empty());
  EXPECT_NE(parts.why.find("2 golden rows"), std::string::npos) << parts.why;
  EXPECT_EQ(split_nothing(rows, {}).train.size(), 98u);

  const Split trained = split(rows, {.golden_in_train = true});
  EXPECT_EQ(trained.golden.size(), 2u);
  EXPECT_EQ(trained.train.size(), parts.train.size() + 3);
  EXPECT_EQ(find_overlap(trained.train, trained.golden).size(), 3u);
  EXPECT_EQ(split_nothing(rows, {.golden_in_train = true}).train.size(), 101u);
}

TEST(Split, KeepsTheSharesOfAnswerFormatsAndLabels) {
  std::vector<Conversation> rows = different_rows(240);
  for (size_t i = 0; i < rows.size(); i += 4)
    rows[i].messages.back().content = R"({"a": )" + std::to_string(i) + "}";
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const Split parts = split(rows, {.seed = seed, .test_size = 40});
    EXPECT_NEAR(std::count_if(parts.test.begin(), parts.test.end(),
                              [](const auto& r) { return r.messages.back().content.front() == '{'; }),
                10, 1);
  }
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].messages.back().content = i % 10 == 0 ? "urgent" : i % 3 == 0 ? "later" : "never";
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const Split parts = split(rows, {.seed = seed, .test_size = 40});
    EXPECT_NEAR(std::count_if(parts.test.begin(), parts.test.end(),
                              [](const auto& r) { return r.messages.back().content == "urgent"; }),
                4, 1);
  }
}

TEST(Split, AGroupTooLargeIsTrainedOn) {
  std::vector<Conversation> rows = different_rows(100);
  for (int i = 0; i < 60; ++i)
    rows.push_back(row("one question that very many ask", "answer number " + std::to_string(i)));
  for (uint64_t seed = 0; seed < 10; ++seed) EXPECT_TRUE(split(rows, {.seed = seed}).set_aside.empty());
}

TEST(Split, WhatOthersAskOnTheirWayIsNotHeldOut) {
  std::vector<Conversation> rows = different_rows(60);
  rows.push_back(row("Hi", "Good day!"));
  for (const auto& r : different_rows(6, "conversation")) {
    rows.push_back(row("Hi", "Hello."));
    rows.back().messages.push_back(r.messages[1]);
    rows.back().messages.push_back(r.messages[2]);
  }
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Split parts = split(rows, {.seed = seed});
    EXPECT_TRUE(hashes(parts.train).contains(content_hash(rows[60]))) << "seed " << seed;
    EXPECT_EQ(parts.train.size() + parts.valid.size() + parts.test.size(), rows.size());
    EXPECT_NE(parts.why.find("Always trained on: 1 row whose"), std::string::npos) << parts.why;
  }
}

TEST(FindOverlap, NamesExactAndNearRows) {
  const std::vector<Conversation> test = {row("Who?"), row("Where is it", "x")};
  const std::vector<Conversation> train = {row("What?"), row("where  IS it", "y"), row("Who?")};
  const auto overlaps = find_overlap(train, test);
  ASSERT_EQ(overlaps.size(), 2u);
  EXPECT_EQ(overlaps[0].train_index, 1u);
  EXPECT_EQ(overlaps[0].test_index, 1u);
  EXPECT_FALSE(overlaps[0].exact);
  EXPECT_TRUE(overlaps[0].same_question);
  EXPECT_EQ(overlaps[1].train_index, 2u);
  EXPECT_EQ(overlaps[1].test_index, 0u);
  EXPECT_TRUE(overlaps[1].exact);
}

TEST(FindOverlap, NearRowsAreFoundAndAnswersDoNotCount) {
  std::vector<Conversation> test = different_rows(40, "one two three four five six seven eight");
  std::vector<Conversation> train = different_rows(40, "nine ten eleven twelve thirteen fourteen fifteen");
  for (size_t i = 0; i < 40; ++i) train[i].messages.back().content = test[i].messages.back().content;
  EXPECT_TRUE(find_overlap(train, test).empty()) << "equal answers to other questions";
  test.push_back(row("Where did the grey goose of the old miller sleep in the cold winter", "In the barn."));
  train.push_back(
      row("Where did the grey goose of the old miller sleep in that cold winter", "In the barn."));
  const auto overlaps = find_overlap(train, test);
  ASSERT_EQ(overlaps.size(), 1u);
  EXPECT_EQ(overlaps[0].train_index, 40u);
  EXPECT_EQ(overlaps[0].test_index, 40u);
  EXPECT_FALSE(overlaps[0].same_question);
  EXPECT_LT(overlaps[0].similarity, 1);
}

TEST(FindOverlap, EveryTurnThatIsLearnedFromCounts) {
  const std::vector<Conversation> test = {row("Which bus goes to the old harbour?")};
  std::vector<Conversation> train = {row("Which bus goes to the old harbour?", "The nine.")};
  train[0].messages.push_back({"user", "And at night, when all is dark and nobody is about but my cat?"});
  train[0].messages.push_back({"assistant", "None."});
  const auto overlaps = find_overlap(train, test);
  ASSERT_EQ(overlaps.size(), 1u);
  EXPECT_TRUE(overlaps[0].same_question);
  EXPECT_FALSE(overlaps[0].exact);
  train[0].messages[2].train = false;
  EXPECT_TRUE(find_overlap(train, test).empty());
}

TEST(FindOverlap, NearRowsAreFoundWithAllTheirCopies) {
  const std::vector<Conversation> test = {
      row("Where did the grey goose of the old miller sleep in the cold winter", "In the barn.")};
  const std::vector<Conversation> train(
      20, row("Where did the grey goose of the old miller sleep in that cold winter", "In the barn."));
  EXPECT_EQ(find_overlap(train, test).size(), 20u);
}

TEST(ContentHash, KeepsRolesAndBordersApart) {
  EXPECT_NE(content_hash({.messages = {{"user", "ab"}, {"assistant", "c"}}}),
            content_hash({.messages = {{"user", "a"}, {"assistant", "bc"}}}));
  EXPECT_NE(content_hash({.messages = {{"user", "a"}}}), content_hash({.messages = {{"system", "a"}}}));
  EXPECT_EQ(content_hash({.messages = {{"user", "a"}}, .line = 3}),
            content_hash({.messages = {{"user", "a"}}, .line = 4}));
}

TEST(SplitValid, LeavesTestEmpty) {
  const Split parts = split_valid(different_rows(250), {});
  EXPECT_TRUE(parts.test.empty());
  EXPECT_EQ(parts.valid.size(), 20u);
  EXPECT_EQ(parts.train.size(), 230u);
}

TEST(Split, TheBundledExampleHasNoTwins) {
  const auto dir = std::filesystem::path(LORA_SOURCE_DIR) / "examples/json-extraction";
  auto rows = read_chat_jsonl(dir / "data.jsonl");
  const auto golden = read_chat_jsonl(dir / "golden.jsonl");
  EXPECT_TRUE(find_overlap(rows, golden).empty());
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(std::set<uint64_t>(groups.begin(), groups.end()).size(), 300u);
}

}  // namespace
}  // namespace lora
