#include "text/render.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/testing.h"

namespace lora {
namespace {

class RenderTest : public ::testing::Test {
 protected:
  Rendered render(const std::string& source, const std::vector<Message>& messages) {
    const ChatTemplate t = ChatTemplate::from_source(source, "<s>", "</s>");
    return Renderer(tokenizer_, t).render({.messages = messages, .line = 12}, "train.jsonl");
  }
  std::string error_of(const std::string& source, const std::vector<Message>& messages) {
    try {
      return "no error: " + render(source, messages).text;
    } catch (const Error& error) {
      return error.what();
    }
  }
  // The supervised tokens as text, a bar between the turns.
  std::string targets(const Rendered& r) {
    std::string out;
    for (size_t i = 0; i < r.ids.size(); ++i) {
      if (!r.supervised[i]) continue;
      if (!out.empty() && !r.supervised[i - 1]) out += "|";
      out += tokenizer_.token_bytes(r.ids[i]);
    }
    return out;
  }
  Tokenizer tokenizer_{testing::byte_vocabulary()};
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(RenderTest, AnswersAndTheirEndTokens) {
  const Rendered r =
      render(testing::kChatMl, {{"user", "q"}, {"assistant", "one"}, {"user", "one"}, {"assistant", "two"}});
  EXPECT_EQ(targets(r), "one<|im_end|>|two<|im_end|>");
  EXPECT_EQ(r.supervised_count, 8u);
  ASSERT_EQ(r.turns.size(), 2u);
  EXPECT_EQ(r.text.substr(r.turns[1].content_begin, r.turns[1].content_end - r.turns[1].content_begin),
            "two");
  EXPECT_EQ(r.ids, tokenizer_.encode(r.text, Special::kParse));
  EXPECT_EQ(r.ids.size(), r.supervised.size());
}

TEST_F(RenderTest, TheQuestionMayEqualTheAnswer) {
  EXPECT_EQ(targets(render(testing::kChatMl, {{"user", "same"}, {"assistant", "same"}})), "same<|im_end|>");
  const Rendered r = render(testing::kChatMl, {{"user", "assistant\n"}, {"assistant", "user"}});
  EXPECT_EQ(targets(r), "user<|im_end|>");
  EXPECT_GT(r.turns[0].text_begin, r.text.rfind("<|im_start|>"));
}

// What the template puts between generation prompt and content is the model's to produce.
TEST_F(RenderTest, TemplateTextAfterTheGenerationPromptIsATarget) {
  const std::string source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>{% endif %}{{ "
      "m.content }}"
      "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_EQ(targets(render(source, {{"user", "q"}, {"assistant", "a"}})), "<think>a<|im_end|>");
}

// A generation prompt that the whole text does not repeat: the answer starts at its content.
TEST_F(RenderTest, GenerationPromptThatIsNoPrefix) {
  const std::string source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}";
  EXPECT_EQ(targets(render(source, {{"user", "q"}, {"assistant", "a"}})), "a<|im_end|>");
}

TEST_F(RenderTest, WhiteSpaceBeforeTheEndTokenAndTrimmedContent) {
  const std::string source =
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else "
      "%} "
      "{{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}";
  const Rendered r = render(source, {{"user", "q"}, {"assistant", "  a b\n"}});
  EXPECT_EQ(targets(r), " a b </s>");
  EXPECT_EQ(r.ids.front(), *tokenizer_.bos_id());
  EXPECT_EQ(std::count(r.ids.begin(), r.ids.end(), *tokenizer_.bos_id()), 1);
}

TEST_F(RenderTest, ErrorsNameTheRow) {
  const std::string spelled =
      error_of(testing::kChatMl, {{"user", "end it <|im_end|> now"}, {"assistant", "a"}});
  EXPECT_TRUE(contains(spelled, "train.jsonl:12") && contains(spelled, "message 1") &&
              contains(spelled, "control token in text"))
      << spelled;
  EXPECT_TRUE(contains(error_of(testing::kChatMl, {{"user", "q"}}), "no assistant message"));
  EXPECT_TRUE(
      contains(error_of(testing::kChatMl, {{"user", "q"}, {"assistant", ""}}), "the answer is empty"));
  const std::string raises = error_of("{{ raise_exception('no') }}", {{"user", "q"}, {"assistant", "a"}});
  EXPECT_TRUE(contains(raises, "train.jsonl:12") && contains(raises, "line 1")) << raises;
}

TEST_F(RenderTest, TemplatesThatCannotTrainAreRefused) {
  const std::vector<Message> messages = {
      {"user", "q"}, {"assistant", "a"}, {"user", "q"}, {"assistant", "b"}};
  const auto error = [&](const std::string& source) { return error_of(source, messages); };
  EXPECT_TRUE(contains(error("{% for m in messages %}{{ m.content }}\n{% endfor %}"), "never learn to stop"));
  EXPECT_TRUE(contains(error("{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.content "
                             "}}</s>{% endif %}{% endfor %}"),
                       "drops or rewrites"));
  // The end token comes only after the next question: not an end of this answer.
  EXPECT_TRUE(contains(error("{% for m in messages %}{{ m.content }}{% if m.role == 'user' or loop.last "
                             "%}</s>{% endif %}{% endfor %}"),
                       "never learn to stop"));
}

TEST_F(RenderTest, PromptIsThePrefixOfTraining) {
  const ChatTemplate t = ChatTemplate::from_source(testing::kChatMl, "<s>", "</s>");
  const Renderer renderer(tokenizer_, t);
  const std::vector<Message> messages = {{"system", "s"}, {"user", "q"}, {"assistant", "a"}};
  const Rendered r = renderer.render({.messages = messages});
  const auto prompt = renderer.render_prompt(std::span(messages).first(2));
  ASSERT_EQ(prompt.size(), r.turns[0].token_begin);
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), r.ids.begin()));
  EXPECT_EQ(renderer.stop_ids(), (std::vector<int32_t>{257, 259}));  // </s> and <|im_end|>
  EXPECT_THROW(renderer.render_prompt(std::vector<Message>{{"user", "<s>"}}), Error);
}

TEST(RenderSmolLm2, IdsOfAppliedTemplate) {
  if (!std::filesystem::exists(testing::smollm_gguf()))
    GTEST_SKIP() << testing::smollm_gguf() << " is not set up";
  const Checkpoint checkpoint = Checkpoint::open(testing::smollm_gguf());
  const auto tokenizer = Tokenizer::from_checkpoint(checkpoint);
  const ChatTemplate t = ChatTemplate::from_checkpoint(checkpoint);
  const Renderer renderer(*tokenizer, t);
  EXPECT_EQ(renderer.stop_ids(), (std::vector<int32_t>{2}));
  const Rendered r = renderer.render({.messages = {{"user", "Hi"}, {"assistant", "Hello!"}}});
  // transformers.apply_chat_template on the same model.
  EXPECT_EQ(r.ids,
            (std::vector<int32_t>{1,     9690, 198,  2683, 359, 253,   5356, 5646,  11173, 3365, 3511, 308,
                                  34519, 28,   7018, 411,  407, 19712, 8182, 2,     198,   1,    4093, 198,
                                  26843, 2,    198,  1,    520, 9531,  198,  19556, 17,    2,    198}));
}

}  // namespace
}  // namespace lora
