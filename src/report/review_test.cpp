#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "report/review_page.h"
#include "report/review_votes.h"
#include "report/run_testing.h"

namespace lora {
namespace {

// n examples; the answers of the last are the same.
EvaluationRecord evaluation_of(size_t n) {
  EvaluationRecord evaluation;
  evaluation.contestants = {"base", "tuned"};
  for (size_t i = 0; i < n; ++i)
    evaluation.examples.push_back(
        {.id = i,
         .line = i + 1,
         .question = {{.role = "user", .content = fmt::format("question {}", i)}},
         .reference = "r",
         .answers = {GivenAnswer{.text = i + 1 == n ? "same" : fmt::format("first {}", i)},
                     GivenAnswer{.text = i + 1 == n ? "same" : fmt::format("second {}", i)}}});
  return evaluation;
}

class Votes {
 public:
  explicit Votes(size_t n) : evaluation_(evaluation_of(n)), plan_(plan_review(evaluation_, {})) {}

  // "a", "b" or "tie" on an example, as the page would write it.
  std::string line(const std::string& reviewer, size_t id, const std::string& choice) const {
    for (const ReviewItem& item : plan_.items)
      if (item.example == id) {
        const std::string side = choice == "tie"                     ? "tie"
                                 : (choice == "a") == item.a_is_left ? "left"
                                                                     : "right";
        return fmt::format(
            R"({{"review":"{}","a":"base","b":"tuned","seed":0,"reviewer":"{}","id":{},"vote":"{}"}})"
            "\n",
            plan_.key, reviewer, id, side);
      }
    ADD_FAILURE() << "no example " << id;
    return {};
  }
  ReviewResult read(const std::string& text, const std::string& judge = "") const {
    files_.write("votes.jsonl", text);
    files_.remove("judge.jsonl");
    if (!judge.empty()) files_.write("judge.jsonl", judge);
    return read_votes(evaluation_, {files_.folder() / "votes.jsonl"}, files_.folder() / "judge.jsonl");
  }
  std::string error(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error: " << text;
    return {};
  }
  const EvaluationRecord& evaluation() const { return evaluation_; }
  const ReviewPlan& plan() const { return plan_; }

 private:
  TestRun files_;
  EvaluationRecord evaluation_;
  ReviewPlan plan_;
};

TEST(Review, ThePlanIsBlindAndRepeatable) {
  const EvaluationRecord evaluation = evaluation_of(201);
  const ReviewPlan plan = plan_review(evaluation, {});
  EXPECT_EQ(plan.items.size(), 200u);
  EXPECT_EQ(plan.identical, 1u);
  size_t left = 0;
  std::set<size_t> seen;
  bool in_order = true;
  for (size_t i = 0; i < plan.items.size(); ++i) {
    left += plan.items[i].a_is_left;
    seen.insert(plan.items[i].example);
    in_order = in_order && plan.items[i].example == i;
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_FALSE(in_order);
  EXPECT_GT(left, 70u);
  EXPECT_LT(left, 130u);
  EXPECT_EQ(plan_review(evaluation, {}).key, plan.key);
  EXPECT_NE(plan_review(evaluation, {.seed = 1}).key, plan.key);
  EXPECT_NE(plan_review(evaluation_of(200), {}).key, plan.key) << "other answers";
  EXPECT_THROW(plan_review(evaluation, {.a = "tuned"}), Error);
  EXPECT_THROW(plan_review(evaluation, {.a = "nobody"}), Error);
  EXPECT_THROW(plan_review(evaluation_of(1), {}), Error) << "nothing differs";
}

TEST(Review, ThePageDoesNotSayWhoseAnAnswerIs) {
  const EvaluationRecord evaluation = evaluation_of(5);
  const ReviewPlan plan = plan_review(evaluation, {});
  ReviewPlan turned = plan;
  for (ReviewItem& item : turned.items) item.a_is_left = !item.a_is_left;
  const std::string page = review_page_html(evaluation, plan), other = review_page_html(evaluation, turned);
  EXPECT_EQ(page.size(), other.size()) << "only the sides change, nothing beside them";
  // With the sides put back, the pages are one.
  std::string back = other;
  const std::string placeholder = fmt::format("@");
  for (size_t i = 0; i < 4; ++i) {
    const std::string first = fmt::format("first {}", i), second = fmt::format("second {}", i);
    back.replace(back.find(first), first.size(), placeholder);
    back.replace(back.find(second), second.size(), first);
    back.replace(back.find('@', back.find("review-data")), 1, second);
  }
  EXPECT_EQ(back, page);
  EXPECT_EQ(page.find("a_is_left"), std::string::npos);
}

TEST(Review, VotesAreCounted) {
  const Votes votes(12);
  std::string text;
  for (size_t i = 0; i < 8; ++i) text += votes.line("ann", i, "b");
  text += votes.line("ann", 8, "a") + votes.line("ann", 9, "tie");
  const ReviewResult result = votes.read(text);
  EXPECT_EQ(result.asked, 11u);
  EXPECT_EQ(result.identical, 1u);
  EXPECT_EQ(result.total.b, 8u);
  EXPECT_EQ(result.total.a, 1u);
  EXPECT_EQ(result.total.ties, 1u);
  EXPECT_NEAR(result.p, 20.0 / 512, 1e-12) << "sign test of 8 to 1";
  EXPECT_NEAR(result.preference.low, 0.5650, 1e-3);  // Wilson, 8 of 9
  EXPECT_TRUE(result.agreements.empty());
  EXPECT_NE(review_in_words(result).find("tuned is preferred on 8, base on 1, 1 are ties"),
            std::string::npos);
  EXPECT_EQ(review_json(result)["preference_b"]["n"], 9);
}

TEST(Review, SeveralReviewersAndAJudge) {
  const Votes votes(12);
  std::string text;
  for (size_t i = 0; i < 4; ++i) text += votes.line("ann", i, "b") + votes.line("bo", i, i < 3 ? "b" : "a");
  text += votes.line("ann", 4, "a") + votes.line("bo", 4, "a") + votes.line("cy", 5, "tie");
  const ReviewResult result = votes.read(text, R"({"id":0,"a":"base","b":"tuned","winner":"b"})"
                                               "\n"
                                               R"({"id":1,"a":"tuned","b":"base","winner":"a"})"
                                               "\n"
                                               R"({"id":4,"a":"base","b":"tuned","winner":"b"})"
                                               "\n"
                                               R"({"id":2,"a":"base","b":"few_shot","winner":"a"})"
                                               "\n");
  ASSERT_EQ(result.reviewers.size(), 3u);
  EXPECT_EQ(result.total.b, 3u);
  EXPECT_EQ(result.total.a, 1u);
  EXPECT_EQ(result.total.ties, 2u) << "one vote to one is a tie";
  ASSERT_EQ(result.agreements.size(), 1u) << "cy shares no example";
  EXPECT_EQ(result.agreements[0].agreement.n, 5u);
  EXPECT_EQ(result.agreements[0].agreement.equal, 4u);
  // Table: b-b 3, b-a 1, a-a 1; observed 0.8, by chance 0.8 * 0.6 + 0.2 * 0.4 = 0.56.
  EXPECT_NEAR(*result.agreements[0].agreement.kappa, (0.8 - 0.56) / 0.44, 1e-12);
  ASSERT_TRUE(result.with_judge);
  EXPECT_EQ(result.with_judge->n, 3u) << "the other pair does not count";
  EXPECT_EQ(result.with_judge->equal, 2u) << "the order of the names does not matter";
}

TEST(Review, DoubleAndContradictoryVotesAreTold) {
  const Votes votes(12);
  const ReviewResult result =
      votes.read(votes.line("ann", 0, "b") + votes.line("ann", 0, "b") + votes.line("ann", 1, "a") +
                 votes.line("ann", 1, "b") + votes.line("ann", 2, "a"));
  EXPECT_EQ(result.duplicates, 1u);
  ASSERT_EQ(result.contradictions.size(), 1u);
  EXPECT_NE(result.contradictions[0].find("ann on example 1"), std::string::npos);
  EXPECT_NE(result.contradictions[0].find("votes.jsonl:4"), std::string::npos);
  EXPECT_EQ(result.total.b, 1u);
  EXPECT_EQ(result.total.a, 1u);
}

TEST(Review, WhatIsNoVoteIsRefused) {
  const Votes votes(12);
  const std::string good = votes.line("ann", 0, "b");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string line = good;
    return line.replace(line.find(from), from.size(), to);
  };
  EXPECT_NE(votes.error(good + "{\"review\": \n").find("votes.jsonl:2:"), std::string::npos);
  EXPECT_NE(votes.error("").find("no vote"), std::string::npos);
  EXPECT_NE(votes.error(with(votes.plan().key, "0000000000000000")).find("another review"),
            std::string::npos);
  EXPECT_NE(votes.error(good + with("\"seed\":0", "\"seed\":1").replace(11, 16, std::string(16, 'f')))
                .find("votes.jsonl:2"),
            std::string::npos);
  EXPECT_NE(votes.error(with("\"seed\":0", "\"seed\":1")).find("another review"), std::string::npos);
  EXPECT_NE(votes.error(with("\"tuned\"", "\"nobody\"")).find("contestant"), std::string::npos);
  EXPECT_NE(votes.error(with("\"id\":0", "\"id\":11")).find("example of the review"), std::string::npos)
      << "answered alike";
  EXPECT_NE(votes.error(with("\"id\":0", "\"id\":-1")).find("whole number"), std::string::npos);
  EXPECT_NE(votes.error(with("\"reviewer\":\"ann\"", "\"reviewer\":\"\"")).find("a name"), std::string::npos);
  EXPECT_NE(votes.error(with("\"vote\":\"", "\"vote\":\"up")).find("\"left\", \"right\" or \"tie\""),
            std::string::npos);
}

}  // namespace
}  // namespace lora
