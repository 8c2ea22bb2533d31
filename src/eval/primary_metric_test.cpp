#include "eval/primary_metric.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace lora {
namespace {

PrimaryMetric choose(std::vector<std::string> answers) {
  return choose_primary_metric(answers);
}

TEST(PrimaryMetric, FollowsTheReferenceAnswers) {
  EXPECT_EQ(choose({R"({"a":1})", "[1]"}).check, "json_fields");
  EXPECT_EQ(choose({"positive", "no idea at all, sorry"}).check, "normalized_exact");
  EXPECT_EQ(choose({"4", "true"}).check, "normalized_exact")
      << "a bare number is a short answer, no JSON document";
  const PrimaryMetric free_text = choose({"This answer has more than five words.", "short"});
  EXPECT_EQ(free_text.name, "format");
  EXPECT_NE(free_text.why.find("judge or people"), std::string::npos);
}

TEST(PrimaryMetric, LetsOneInTwentyDiffer) {
  std::vector<std::string> answers(19, R"({"a": 1})");
  answers.push_back("Nothing to extract was found in this text.");
  EXPECT_EQ(choose(answers).check, "json_fields");
  answers.push_back("Nothing to extract was found in this text.");
  EXPECT_EQ(choose(answers).check, "format");
  EXPECT_THROW(choose({}), Error);
}

}  // namespace
}  // namespace lora
