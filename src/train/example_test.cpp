#include "train/example.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/testing.h"
#include "train/testing.h"

namespace lora {
namespace {

Conversation row(const std::string& answer, size_t line) {
  return {.messages = {{"user", "q"}, {"assistant", answer}}, .line = line};
}

class MakeExamples : public ::testing::Test {
 protected:
  std::vector<Example> make(const std::vector<Conversation>& rows, int64_t max_length) {
    return make_examples(renderer_, rows, max_length, "train.jsonl");
  }
  std::string error_of(const std::vector<Conversation>& rows, int64_t max_length) {
    try {
      make(rows, max_length);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "no error";
  }
  Tokenizer tokenizer_{testing::byte_vocabulary()};
  ChatTemplate template_ = ChatTemplate::from_source(testing::kChatMl, "<s>", "</s>");
  Renderer renderer_{tokenizer_, template_};
};

TEST_F(MakeExamples, TargetsAreTheAnswerAndItsEnd) {
  const std::vector<Example> examples = make({row("one", 4), row("three", 9)}, 100);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].line, 4u);
  EXPECT_EQ(examples[1].line, 9u);
  EXPECT_EQ(examples[0].num_supervised(), 4);
  EXPECT_EQ(examples[1].num_supervised(), 6);
  // The line break after the end token is not a target; it and the end token itself need not be read.
  EXPECT_EQ(examples[0].input_length(), static_cast<int64_t>(examples[0].ids.size()) - 2);
}

TEST_F(MakeExamples, RowsThatAreTooLongAreCountedAndNamedNotCut) {
  const auto length = static_cast<int64_t>(make({row("abc", 1)}, 100)[0].ids.size());
  EXPECT_EQ(make({row("abc", 1)}, length).size(), 1u) << "the limit itself is allowed";
  const std::string error = error_of({row("abc", 1), row("abcd", 2), row("a", 3), row("abcdefg", 5)}, length);
  for (const std::string& part :
       {std::string("train.jsonl:2"), std::string("2 of 4 rows"), std::string("lines 2, 5"),
        "max_seq_length = " + std::to_string(length), std::to_string(length + 4)})
    EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
}

TEST_F(MakeExamples, ManyLongRowsAreNotAllListed) {
  std::vector<Conversation> rows;
  for (size_t line = 1; line <= 30; ++line) rows.push_back(row("long enough", line));
  const std::string error = error_of(rows, 5);
  EXPECT_NE(error.find("30 of 30"), std::string::npos) << error;
  EXPECT_NE(error.find("1, 2, 3, 4, 5, 6, 7, 8, …"), std::string::npos) << error;
}

TEST_F(MakeExamples, ARowThatCannotBeRenderedNamesItsLine) {
  EXPECT_NE(error_of({row("fine", 1), row("ends <|im_end|> here", 7)}, 100).find("train.jsonl:7"),
            std::string::npos);
  EXPECT_NE(error_of({{.messages = {{"user", "alone"}}, .line = 3}}, 100).find("train.jsonl:3"),
            std::string::npos);
}

TEST(Example, InputLengthEndsBeforeTheLastTarget) {
  EXPECT_EQ(testing::example({1, 2, 3, 4}, 3).input_length(), 3);
  EXPECT_EQ(testing::example({1, 2, 3, 4}, 1).input_length(), 3);
  Example middle = testing::example({1, 2, 3, 4, 5, 6}, 2);
  middle.supervised[4] = middle.supervised[5] = 0;
  EXPECT_EQ(middle.input_length(), 3);
  EXPECT_EQ(middle.num_supervised(), 2);
}

}  // namespace
}  // namespace lora
