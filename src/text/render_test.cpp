#include "text/render.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/builtin_templates.h"
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

// Earlier turns lose their reasoning, the last keeps it; the generation prompt opens the reasoning.
const char* const kThinking =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{% if loop.last %}<think>{{ m.content.split('</think>')[0].split('<think>')[-1] }}</think>{% endif %}"
    "{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

TEST_F(RenderTest, ReasoningOfEarlierTurnsIsNotShownAndNotATarget) {
  const Rendered r =
      render(kThinking, {{"user", "q"}, {"assistant", "plain"}, {"user", "q"}, {"assistant", "two"}});
  EXPECT_EQ(targets(r), "plain<|im_end|>|<think>two</think>two<|im_end|>");
  // The answers' own reasoning spells tokens that belong to the template: the vocabulary's <think> is no control token.
  const Rendered s = render(kThinking, {{"user", "q"},
                                        {"assistant", "<think>x</think>one"},
                                        {"user", "q"},
                                        {"assistant", "<think>y</think>two"}});
  EXPECT_EQ(targets(s), "one<|im_end|>|<think>y</think>two<|im_end|>");
}

// The earlier turn is printed differently once another follows, so no text of the earlier turns is a prefix.
TEST_F(RenderTest, GenerationPromptIsFoundBehindAChangedPast) {
  const std::string source =
      "{{ messages | length }}{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' "
      "%}!{% endif %}"
      "{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_EQ(targets(render(source, {{"user", "q"}, {"assistant", "a"}})), "!a<|im_end|>");
}

Message tool_call(const std::string& content = "") {
  Message call{"assistant", content};
  call.tool_calls = R"([{"function": {"name": "f", "arguments": {"n": 5}}}])";
  return call;
}

// Calls are closed by control tokens of their own; the answer goes to the one that ends a turn.
const char* const kTools =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls %}<s>{{ "
    "c.function | tojson "
    "}}</s>{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif "
    "%}";

TEST_F(RenderTest, ToolCallsAreTargets) {
  const std::string called = R"(<s>{"name": "f", "arguments": {"n": 5}})";
  const std::vector<Message> messages = {
      {"user", "q"}, tool_call("I call."), {"tool", "r"}, {"assistant", "done"}};
  VocabularyData data = testing::byte_vocabulary();
  data.eos_id = data.added[3].id;  // <|im_end|>
  const Tokenizer tokenizer(std::move(data));
  const ChatTemplate t = ChatTemplate::from_source(kTools, "<s>", "<|im_end|>");
  EXPECT_EQ(targets(Renderer(tokenizer, t).render({.messages = messages})),
            "I call." + called + "</s><|im_end|>|done<|im_end|>");
  // Where </s> is the EOS, the model stops there, and the target ends there.
  EXPECT_EQ(targets(render(kTools, messages)), "I call." + called + "</s>|done<|im_end|>");
  const std::string no_prefix = std::string("{{ messages | length }}") +
                                "{% for m in messages %}{{ m.content }}{{ "
                                "m.tool_calls }}</s>{% endfor %}";
  EXPECT_TRUE(contains(error_of(no_prefix, {{"user", "q"}, tool_call(), {"user", "q"}, {"assistant", "x"}}),
                       "where this tool call begins"));
  Message hidden = tool_call();
  hidden.tool_calls = R"([{"function": {"name": "\u003c|im_end|>"}}])";
  EXPECT_TRUE(contains(error_of(kTools, {{"user", "q"}, hidden}), "control token in text"));
  hidden.tool_calls = "{";
  EXPECT_TRUE(contains(error_of(kTools, {{"user", "q"}, hidden}), "JSON"));
}

// More than the end of turn behind the very last answer, and answers closed by a token of their own.
TEST_F(RenderTest, TheEndOfTurnIsWhatFollowsInEveryCase) {
  const std::vector<Message> messages = {
      {"user", "q"}, {"assistant", "a"}, {"user", "r"}, {"assistant", "b"}};
  const std::string turns = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}",
                    prompt = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_EQ(targets(render(
                turns + "<|im_end|>\n{% endfor %}{% if not add_generation_prompt %}</s>{% endif %}" + prompt,
                messages)),
            "a<|im_end|>|b<|im_end|>");
  EXPECT_EQ(targets(render(turns + "<s><|im_end|>{% endfor %}" + prompt, messages)),
            "a<s><|im_end|>|b<s><|im_end|>");
  // Nothing ends an answer but the next turn: fine in the middle, and refused at the end.
  std::vector<Message> opened = messages;
  opened.back().train = false;
  EXPECT_EQ(targets(render(turns + "{% endfor %}" + prompt, opened)), "a<|im_start|>");
  EXPECT_TRUE(contains(error_of(turns + "{% endfor %}" + prompt, messages), "never learn to stop"));
}

// The prompt opens the reasoning that the content spells itself.
TEST_F(RenderTest, ThePromptMayGiveTheAnswersFirstBytes) {
  const std::string source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}";
  EXPECT_EQ(targets(render(source, {{"user", "q"}, {"assistant", "<think>x</think>y"}})),
            "x</think>y<|im_end|>");
  EXPECT_EQ(targets(render(source, {{"user", "q"}, {"assistant", "y"}})), "y<|im_end|>");
  EXPECT_TRUE(contains(error_of(source, {{"user", "q"}, {"assistant", "<think>"}}), "covers the answer"));
}

// A tool's answer names the call again: that place is not the call's.
TEST_F(RenderTest, ACallNamedAgainIsNotPartOfIt) {
  const std::string source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'tool' %}{{ messages[loop.index0 - "
      "1].tool_calls[0].function.name }}: {% endif %}{{ m.content }}{% for c in m.tool_calls %}{{ c.function "
      "| tojson "
      "}}{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  EXPECT_EQ(targets(render(source, {{"user", "q"}, tool_call(), {"tool", "r"}, {"assistant", "a"}})),
            R"({"name": "f", "arguments": {"n": 5}}<|im_end|>|a<|im_end|>)");
}

TEST_F(RenderTest, TurnsOfWeightZeroAreNotTargets) {
  std::vector<Message> messages = {{"user", "q"}, {"assistant", "one"}, {"user", "q"}, {"assistant", "two"}};
  messages[1].train = false;
  EXPECT_EQ(targets(render(testing::kChatMl, messages)), "two<|im_end|>");
  messages[3].train = false;
  EXPECT_TRUE(contains(error_of(testing::kChatMl, messages), "every assistant message has weight 0"));
}

// As TRL's SFTTrainer: the text, EOS behind it, every token but the first a target.
TEST_F(RenderTest, PlainText) {
  const ChatTemplate t = ChatTemplate::from_source(testing::kChatMl, "<s>", "</s>");
  const auto rendered = [&](bool add_bos, const std::string& text) {
    VocabularyData data = testing::byte_vocabulary();
    if (add_bos) data.prefix_ids = {*data.bos_id};
    const Tokenizer tokenizer(std::move(data));
    const Rendered r = Renderer(tokenizer, t).render({.messages = {}, .text = text});
    EXPECT_EQ(r.ids, tokenizer.encode(r.text, Special::kParse));
    return std::pair(r.text, targets(r));
  };
  EXPECT_EQ(rendered(false, "abc"), std::pair(std::string("abc</s>"), std::string("bc</s>")));
  EXPECT_EQ(rendered(true, "abc"), std::pair(std::string("<s>abc</s>"), std::string("abc</s>")));
  EXPECT_EQ(rendered(true, "<s>abc</s>"), std::pair(std::string("<s>abc</s>"), std::string("abc</s>")));
}

TEST_F(RenderTest, OptionsAreOneForEverything) {
  const ChatTemplate t = ChatTemplate::from_source(
      "{{ tools }}{{ enable_thinking }}{% for m in messages %}{{ m.content }}</s>{% endfor %}", "<s>",
      "</s>");
  const std::vector<Message> messages = {{"user", "q"}, {"assistant", "a"}};
  const Renderer plain(tokenizer_, t), thinking(tokenizer_, t, {.tools = "[1]", .enable_thinking = true});
  EXPECT_EQ(thinking.render({.messages = messages}).text, "[1]Trueq</s>a</s>");
  EXPECT_EQ(thinking.render({.messages = messages, .tools = "[2]"}).text, "[2]Trueq</s>a</s>");
  EXPECT_EQ(thinking.render_prompt(std::span(messages).first(1)),
            tokenizer_.encode("[1]Trueq</s>", Special::kParse));
  EXPECT_NE(plain.fingerprint(), thinking.fingerprint());
  EXPECT_NE(plain.fingerprint(), Renderer(tokenizer_, t, {.extra = "{}"}).fingerprint());
  // A date counts only where it is printed, and then stays what it was.
  EXPECT_EQ(plain.fingerprint(), Renderer(tokenizer_, t, {.date = "2024-07-26"}).fingerprint());
  const ChatTemplate dated = ChatTemplate::from_source("{{ strftime_now('%d') }}", "", "");
  EXPECT_NE(Renderer(tokenizer_, dated, {.date = "2024-07-26"}).fingerprint(),
            Renderer(tokenizer_, dated, {.date = "2024-07-27"}).fingerprint());
  EXPECT_EQ(Renderer(tokenizer_, dated).options().date.size(), 10u);
  EXPECT_THROW(Renderer(tokenizer_, t, {.tools = "x"}), Error);
}

TEST_F(RenderTest, ATemplateMustSuitTheVocabulary) {
  const auto checked = [&](const char* name) {
    const ChatTemplate t =
        ChatTemplate::from_source(std::string(find_builtin_template(name)->source), "<s>", "</s>");
    try {
      Renderer(tokenizer_, t).check_end_of_turn();
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  for (const char* name : {"chatml", "alpaca", "zephyr", "mistral", "llama2", "vicuna"})
    EXPECT_EQ(checked(name), "");
  for (const char* name : {"llama3", "gemma", "phi3"})
    EXPECT_TRUE(contains(checked(name), "control token of this vocabulary")) << checked(name);
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
