#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "base/error.h"
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
  const size_t second = 1;
  const MarkedText marked = t.render_marked(messages, false, {&second, 1});
  EXPECT_EQ(marked.text, "<x><x>");
  EXPECT_EQ(marked.marks, (std::vector<ByteRange>{{4, 5}}));
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
  EXPECT_TRUE(contains(error, "bounds") || contains(error, "supported") || contains(error, "can be sorted"))
      << error;
}

INSTANTIATE_TEST_SUITE_P(
    Budgets, HostileTemplate,
    ::testing::Values("{% for i in range(999999999) %}{% endfor %}", "{{ 'x' * 99999999999 }}",
                      "{% for i in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}",
                      "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(99) %}{% set ns.s = "
                      "ns.s ~ ns.s %}{% endfor %}",
                      "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] "
                      "%}{% endfor %}{{ ns.s }}",
                      "{% set ns = namespace(s=(1, 2)) %}{% for i in range(99) %}{% set ns.s = (ns.s, ns.s) "
                      "%}{% endfor %}{{ ns.s == ns.s }}",
                      "{% set a = [1] %}{% set b = a.append(a) %}{{ a }}",
                      "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
                      "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
                      "{% set s = 'a' * 99999 %}{{ s | replace('a', s) }}",
                      "{% set s = 'a' * 99999 %}{{ s.replace('', s) }}",
                      "{% set s = 'a' * 99999 %}{{ range(9999) | join(s) }}",
                      "{% set s = '\n' * 99999 %}{{ s | indent(99999) }}", "{{ 5 is divisibleby 0 }}",
                      "{{ [5] | select('divisible' ~ 'by', 0) }}", "{{ [10, 9, '9a', 1] | sort }}",
                      "{{ [1, 2, 3, 4, 5, 6][5:100:9223372036854775807] }}",
                      "{{ [1, 2].slice(1, 2, 9223372036854775807) }}",
                      "{{ messages | tojson(indent=99999999) }}"));

TEST(ChatTemplate, DeepNestingIsRefusedBeforeParsing) {
  const auto repeat = [](const std::string& s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  EXPECT_TRUE(contains(error_of("{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}"), "bounds"));
  EXPECT_TRUE(contains(error_of("{{ " + repeat("not ", 50000) + "1 }}"), "bounds"));
  EXPECT_TRUE(contains(error_of(repeat("{% if true %}", 5000) + repeat("{% endif %}", 5000)), "bounds"));
  EXPECT_TRUE(contains(error_of("{% if 0 %}" + repeat("{% elif 0 %}", 5000) + "{% endif %}"), "bounds"));
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
