#include "data/shape_norm.h"

#include <gtest/gtest.h>

#include "data/answer_shape.h"

namespace lora {
namespace {

class ShapeNormTest : public ::testing::Test {
 protected:
  uint32_t add(const std::string& json, size_t times = 1) {
    AnswerShape shape;
    EXPECT_TRUE(json_shape(json, shape)) << json;
    const uint32_t id = table_.intern(shape);
    shapes_.insert(shapes_.end(), times, id);
    return id;
  }
  std::string said(uint32_t shape) {
    std::string out;
    for (const auto& d : ShapeNorm(table_, shapes_).differences(shape)) out += d.words + "\n";
    return out;
  }
  ShapeTable table_;
  std::vector<uint32_t> shapes_;
};

TEST_F(ShapeNormTest, NamesMissingAddedAndRenamedKeys) {
  const uint32_t usual = add(R"({"company": "a", "city": "b", "year": 1})", 50);
  add(R"({"company": "a", "city": null, "year": null})", 10);
  const uint32_t missing = add(R"({"company": "a", "year": 1})");
  const uint32_t extra = add(R"({"company": "a", "city": "b", "year": 1, "note": "x"})");
  const uint32_t renamed = add(R"({"name": "a", "city": "b", "year": 1})");
  EXPECT_EQ(said(usual), "");
  EXPECT_EQ(said(missing), "lacks the key \"city\", which 62 of 63 have\n");
  EXPECT_EQ(said(extra), "has the key \"note\", which no other has\n");
  EXPECT_EQ(said(renamed), "has the key \"name\" where the others have \"company\"\n");
  EXPECT_EQ(ShapeNorm(table_, shapes_).keys_in_words(), "the keys city, company, year");
}

TEST_F(ShapeNormTest, NamesTypes) {
  add(R"({"year": 1, "tags": ["a"]})", 40);
  const uint32_t text = add(R"({"year": "1990", "tags": ["a"]})");
  const uint32_t one = add(R"({"year": 1, "tags": "a"})");
  EXPECT_EQ(said(text), "\"year\" is a string in 1 of 42 answers and a number in the others\n");
  EXPECT_EQ(said(one), "\"tags\" is a string in 1 of 42 answers and a list in the others\n");
  EXPECT_EQ(said(add(R"({"year": null, "tags": []})")), "");
}

TEST_F(ShapeNormTest, OptionalKeysAndKeysThatAreDataAreNoFindings) {
  add(R"({"a": 1, "b": 2})", 30);
  const uint32_t without = add(R"({"a": 1})", 8);
  EXPECT_EQ(said(without), "");
  shapes_.clear();
  std::vector<uint32_t> free;
  for (int i = 0; i < 40; ++i) free.push_back(add(R"({"scores": {"p)" + std::to_string(i) + R"(": 3}})"));
  for (const uint32_t shape : free) EXPECT_EQ(said(shape), "");
}

TEST_F(ShapeNormTest, ItemsOfListsAreComparedWithItems) {
  add(R"({"people": [{"name": "a", "role": "b"}]})", 30);
  const uint32_t none = add(R"({"people": []})", 1);
  const uint32_t lacking = add(R"({"people": [{"name": "a"}]})");
  EXPECT_EQ(said(none), "") << "an empty list lacks nothing";
  EXPECT_NE(said(lacking).find("people[].role"), std::string::npos) << said(lacking);
}

TEST_F(ShapeNormTest, FewAnswersAreNoNorm) {
  add(R"({"a": 1, "b": 2})", 8);
  EXPECT_EQ(said(add(R"({"a": 1})")), "");
}

TEST_F(ShapeNormTest, ClustersByKeys) {
  add(R"({"a": 1, "b": 2, "c": 3})", 5);
  add(R"({"x": 1, "y": 2})", 7);
  add(R"({"a": 1, "b": 2})", 2);
  const auto clusters = cluster_by_keys(table_, shapes_);
  ASSERT_EQ(clusters.size(), 2u);
  EXPECT_EQ(clusters[0].size(), 7u);
  EXPECT_EQ(clusters[1].size(), 7u);
}

}  // namespace
}  // namespace lora
