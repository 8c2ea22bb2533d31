#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/builtin_templates.h"
#include "text/testing.h"

namespace lora {
namespace {

std::string render(const std::string& source, const std::vector<Message>& messages = {{"user", "hi"}},
                   bool prompt = false) {
  return ChatTemplate::from_source(source, "<s>", "</s>").render(messages, prompt);
}

std::string error_of(const std::string& source, const std::vector<Message>& messages = {{"user", "hi"}}) {
  try {
    return "no error, but: " + render(source, messages).substr(0, 200);
  } catch (const Error& error) {
    return error.what();
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ChatTemplate, ChatMl) {
  EXPECT_EQ(render(testing::kChatMl, {{"user", "a"}, {"assistant", "b"}}),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n");
  EXPECT_EQ(render(testing::kChatMl, {{"user", "a"}}, true),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
}

// The expected texts are what jinja2 gives with Transformers' settings.
TEST(ChatTemplate, SettingsOfTransformers) {
  EXPECT_EQ(render("{{ bos_token }}{{ eos_token }}"), "<s></s>");
  EXPECT_EQ(render("a\n  {% if true %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");  // trim_blocks, lstrip_blocks
  EXPECT_EQ(render("a\r\n{% if true %}\r\nb{% endif %}"), "a\nb");
  EXPECT_EQ(render("{% if tools is none %}none{% endif %}"), "none");
  EXPECT_EQ(render("{% if mystery is defined %}x{% endif %}y"), "y");
  EXPECT_EQ(render("{% generation %}g{% endgeneration %}"), "g");
  EXPECT_EQ(render("{% for i in range(3) %}{{ i }}{% endfor %}"), "012");
  EXPECT_EQ(render("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor "
                   "%}{{ ns.n }}"),
            "1");
  EXPECT_EQ(render("{{ '-' * 3 }}{{ ['b', 'a'] | sort | join(',') }}"), "---a,b");
  EXPECT_EQ(render("{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f(messages[0].content) }}"), "[hi]");
}

TEST(ChatTemplate, MarksFollowTheContent) {
  const ChatTemplate t =
      ChatTemplate::from_source("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", "", "");
  const std::vector<Message> messages = {{"user", "x"}, {"assistant", "  x "}};
  const MarkedText marked = t.render_marked(messages, false);
  EXPECT_EQ(marked.text, "<x><x>");
  EXPECT_EQ(marked.marks, (std::vector<MessageMark>{{1, 2, 0}, {4, 5, 1}}));
}

// Whatever is done to the text, each of its characters still knows its message.
TEST(ChatTemplate, MarksSurviveEveryOperation) {
  const std::vector<Message> messages = {{"user", "u"}, {"assistant", "<think>a</think>\n\nß \"b\" c"}};
  const auto marked_text = [&](const std::string& expression) {
    const ChatTemplate t =
        ChatTemplate::from_source("{% set c = messages[1].content %}{{ " + expression + " }}", "", "");
    const MarkedText marked = t.render_marked(messages, false);
    std::string out;
    for (const MessageMark& mark : marked.marks) {
      EXPECT_EQ(mark.message, 1u) << expression;
      out += '[' + marked.text.substr(mark.begin, mark.end - mark.begin) + ']';
    }
    return out;
  };
  EXPECT_EQ(marked_text("c.split('</think>')[-1].lstrip('\n')"), "[ß \"b\" c]");
  EXPECT_EQ(marked_text("c.split('</think>')[0].split('<think>')[-1] ~ '|' ~ c[-1]"), "[a][c]");
  EXPECT_EQ(marked_text("c[-7:-5] | upper"), "[SS ]");
  EXPECT_EQ(marked_text("c[18:] | tojson"), "[ß \\\"b\\\" c]");
  EXPECT_EQ(marked_text("c[18:].replace('b', '-')"), "[ß \"][\" c]");
  EXPECT_EQ(marked_text("'%s!' % c[-1] ~ '{}?'.format(c[-1:])"), "[c][c]");
  EXPECT_EQ(marked_text("c[-3:].split() | map('trim') | join('+')"), "[\"][c]");
  EXPECT_EQ(marked_text("(c[-1] ~ '\n' ~ c[-1]) | indent(1)"), "[c][c]");
  EXPECT_EQ(marked_text("'x' if c else 'y'"), "");
}

TEST(ChatTemplate, MarksOfToolCalls) {
  Message call{"assistant", ""};
  call.tool_calls = R"([{"function": {"name": "f", "arguments": {"a": "x", "n": 5}}}])";
  const ChatTemplate t =
      ChatTemplate::from_source("{{ messages[0].tool_calls[0].function | tojson }}", "", "");
  const MarkedText marked = t.render_marked(std::vector{call}, false);
  EXPECT_EQ(marked.text, R"({"name": "f", "arguments": {"a": "x", "n": 5}})");
  EXPECT_EQ(marked.marks.front(), (MessageMark{2, 6, 0}));
}

TEST(ChatTemplate, Options) {
  const auto with = [](const std::string& source, const TemplateOptions& options) {
    return ChatTemplate::from_source(source, "<s>", "</s>")
        .render(std::vector<Message>{{"user", "q"}}, false, options);
  };
  EXPECT_EQ(with("{{ enable_thinking is defined }}", {}), "False");
  EXPECT_EQ(with("{{ enable_thinking }}", {.enable_thinking = false}), "False");
  EXPECT_EQ(with("{{ tools | tojson }}", {.tools = R"([{"b":1.50,"a":[1e3,"\u00fc"]}])"}),
            R"([{"b": 1.5, "a": [1000.0, "ü"]}])");
  EXPECT_EQ(with("{{ effort }}{{ bos_token }}", {.extra = R"({"effort": "high", "bos_token": "<x>"})"}),
            "high<x>");
  EXPECT_EQ(with("{{ strftime_now('%d %b %Y, %A %j') }}", {.date = "2024-07-26"}), "26 Jul 2024, Friday 208");
  EXPECT_EQ(with("{{ strftime_now('%H:%M:%S') }}", {.date = "2024-07-26T13:05:09"}), "13:05:09");
  for (const TemplateOptions& wrong : {TemplateOptions{.tools = "{}"},
                                       {.tools = "[1"},
                                       {.tools = "[123456789012345678901]"},
                                       {.date = "26.7.2024"},
                                       {.date = "2023-02-29"},
                                       {.date = "2024-07-26T25:00:00"},
                                       {.extra = "[]"},
                                       {.extra = R"({"messages": 1})"}})
    EXPECT_THROW(with("", wrong), Error) << wrong.tools << wrong.date << wrong.extra;
  EXPECT_TRUE(ChatTemplate::from_source("{{ strftime_now('%d') }}", "", "").uses_date());
  EXPECT_FALSE(ChatTemplate::from_source("{{ messages }}", "", "").uses_date());
}

TEST(ChatTemplate, BuiltinsRender) {
  const std::vector<Message> messages = {
      {"system", "S"}, {"user", "q"}, {"assistant", "a"}, {"user", "r"}, {"assistant", "b"}};
  for (const BuiltinTemplate& builtin : builtin_templates()) {
    const ChatTemplate t = ChatTemplate::from_source(std::string(builtin.source), "<s>", "</s>");
    const std::string whole = t.render(messages, false);
    // What training sees begins with what generation sees.
    EXPECT_TRUE(whole.starts_with(t.render(std::span(messages).first(2), true))) << builtin.name << whole;
    EXPECT_TRUE(whole.starts_with(t.render(std::span(messages).first(4), true))) << builtin.name << whole;
    EXPECT_EQ(find_builtin_template(builtin.name), &builtin);
  }
  const auto render_as = [&](const char* name) {
    return ChatTemplate::from_source(std::string(find_builtin_template(name)->source), "<s>", "</s>")
        .render(std::span(messages).first(3), false);
  };
  EXPECT_EQ(
      render_as("chatml"),
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n");
  EXPECT_EQ(render_as("llama3"),
            "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_"
            "id|>\n\nq"
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>");
  EXPECT_EQ(render_as("llama2"), "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nq [/INST] a </s>");
  EXPECT_EQ(render_as("mistral"), "<s>[INST] S\n\nq[/INST] a</s>");
  EXPECT_EQ(render_as("gemma"),
            "<s><start_of_turn>user\nS\n\nq<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n");
  EXPECT_EQ(render_as("phi3"), "<|system|>\nS<|end|>\n<|user|>\nq<|end|>\n<|assistant|>\na<|end|>\n");
  EXPECT_EQ(render_as("zephyr"), "<|system|>\nS</s>\n<|user|>\nq</s>\n<|assistant|>\na</s>\n");
  EXPECT_EQ(render_as("alpaca"), "<s>S\n\n### Instruction:\nq\n\n### Response:\na</s>\n\n");
  EXPECT_EQ(render_as("vicuna"), "<s>S USER: q ASSISTANT: a</s>");
  EXPECT_EQ(find_builtin_template("nope"), nullptr);
}

TEST(ChatTemplate, ErrorsCarryTheLine) {
  EXPECT_TRUE(contains(error_of("a\nb\n{% include 'x' %}\nc"), "line 3"))
      << error_of("a\nb\n{% include 'x' %}\nc");
  EXPECT_TRUE(contains(error_of("a\n{{ 1 + }}\nb"), "line 2"));
  EXPECT_TRUE(contains(error_of("a\n\n{{ nothing.at.all() }}"), "line 3"))
      << error_of("a\n\n{{ nothing.at.all() }}");
  const std::string raised = error_of("\n{{ raise_exception('only users') }}");
  EXPECT_TRUE(contains(raised, "line 2") && contains(raised, "only users")) << raised;
  EXPECT_TRUE(contains(error_of("{% if x %}never closed"), "line 1"));
  EXPECT_TRUE(contains(error_of("a\n{{ 'unclosed }}"), "chat template"));
}

TEST(ChatTemplate, NoWayOut) {
  for (const char* source :
       {"{% import 'os' as os %}", "{% extends 'x' %}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"})
    EXPECT_TRUE(contains(error_of(source), "chat template")) << source << error_of(source);
}

// Each of these would use up minutes, gigabytes or the stack, or divide by zero.
class HostileTemplate : public ::testing::TestWithParam<const char*> {};

TEST_P(HostileTemplate, IsRefused) {
  const std::string error = error_of(GetParam());
  EXPECT_TRUE(contains(error, "bounds")) << error;
}

INSTANTIATE_TEST_SUITE_P(
    Budgets, HostileTemplate,
    ::testing::Values(
        "{% for i in range(999999999) %}{% endfor %}", "{{ 'x' * 99999999999 }}", "{{ [1] * 99999999999 }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{% for i in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s "
        "%}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ "
        "ns.s }}",
        "{% set ns = namespace(s=(1, 2)) %}{% for i in range(40) %}{% set ns.s = (ns.s, ns.s) %}{% endfor "
        "%}{{ ns.s == ns.s }}",
        "{% set ns = namespace(s=(1, 2)) %}{% for i in range(40) %}{% set ns.s = (ns.s, ns.s) %}{% endfor "
        "%}{{ {ns.s: 1} }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ "
        "ns.s | tojson }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(999) %}{% set ns.s = [ns.s] %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(999) %}{% set ns.s = [ns.s] | reverse %}{% endfor "
        "%}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(999) %}{% set ns.s = {'a': ns.s}.get %}{% endfor "
        "%}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% macro f() %}{{ caller is defined }}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set s = 'a' * 99999 %}{{ s | replace('a', s) }}",
        "{% set s = 'a' * 99999 %}{{ s.replace('', s) }}",
        "{% set s = 'a' * 99999 %}{{ range(9999) | join(s) }}", "{% set s = 'a' * 99999 %}{{ s.join(s) }}",
        "{% set s = '\n' * 99999 %}{{ s | indent(99999, blank=true) }}", "{{ 'x'.center(99999999999) }}",
        "{{ 'x'.zfill(99999999999) }}", "{{ '{:99999999}'.format(1) }}", "{{ '%99999999d' % 1 }}",
        "{{ '%.99999999s' % 1 }}", "{{ messages | tojson(indent=99999999) }}",
        "{{ [1] | batch(99999999999, 0) | list }}", "{{ [1] | slice(99999999) | list }}",
        "{% set s = 'ab' * 4000000 %}{% for i in range(99999) %}{{ 'abc' in s }}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(200) %}{% set ns.l = ns.l + ['x' * 9999999 ~ i] "
        "%}{% endfor %}",
        "{% for a in 'x' * 9999999 %}{% endfor %}"));

// Refused for what they are; none may run away or divide by zero.
TEST(ChatTemplate, RefusedByRule) {
  for (const char* source :
       {"{{ 5 is divisibleby 0 }}", "{{ [5] | select('divisible' ~ 'by', 0) | list }}",
        "{{ [10, 9, '9a', 1] | sort }}", "{% set a = [1] %}{% set b = a.append(a) %}{{ a }}",
        "{{ -9223372036854775807 - 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}",
        "{{ 'a' | float('nan') | round }}", "{% for x in [1] %}{% set ns = loop %}{% endfor %}{{ ns.index }}",
        "{{ [0.0 / 1, 'nan' | float] | sort }}"})
    EXPECT_TRUE(contains(error_of(source), "chat template line 1")) << source << ": " << error_of(source);
  EXPECT_EQ(render("{{ [1, 2, 3, 4, 5, 6][5:100:9223372036854775807] }}"), "[6]");
  EXPECT_EQ(render("{{ [1, 2, 3][::-9223372036854775807] }}"), "[3]");
}

TEST(ChatTemplate, DeepNestingIsRefusedBeforeParsing) {
  const auto repeat = [](const std::string& s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  EXPECT_TRUE(contains(error_of("{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}"), "bounds"));
  EXPECT_TRUE(contains(error_of("{{ " + repeat("not ", 50000) + "1 }}"), "bounds"));
  EXPECT_TRUE(contains(error_of(repeat("{% if true %}", 5000) + repeat("{% endif %}", 5000)), "bounds"));
  EXPECT_TRUE(contains(error_of("{{ 1" + repeat(" + 1", 5000) + " }}"), "bounds"));
  EXPECT_TRUE(contains(error_of("{{ 1" + repeat(" | abs", 5000) + " }}"), "bounds"));
  EXPECT_TRUE(contains(error_of("{{ a" + repeat(".a", 5000) + " }}"), "bounds"));
  EXPECT_TRUE(
      contains(error_of("{% set " + repeat("(", 5000) + "a" + repeat(")", 5000) + " = 1 %}"), "bounds"));
  EXPECT_EQ(render("{% if 0 %}" + repeat("{% elif 0 %}", 5000) + "{% endif %}x"), "x");  // lies side by side
  EXPECT_TRUE(contains(error_of(std::string(2 << 20, 'x')), "1 MiB"));
  EXPECT_EQ(render("{{ " + repeat("(", 50) + "1" + repeat(")", 50) + " }}"), "1");
}

TEST(ChatTemplate, FingerprintKnowsSourceAndTokens) {
  const auto print = [](const char* source, const char* bos) {
    return ChatTemplate::from_source(source, bos, "").fingerprint();
  };
  EXPECT_EQ(print("a", "<s>"), print("a", "<s>"));
  EXPECT_NE(print("a", "<s>"), print("b", "<s>"));
  EXPECT_NE(print("a", "<s>"), print("a", "<t>"));
}

}  // namespace
}  // namespace lora
