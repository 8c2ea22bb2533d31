#include "data/format_family.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

FormatKind kind(std::string_view text) {
  return format_family(text).kind;
}
using enum FormatKind;

TEST(FormatFamily, TellsMachineFormats) {
  EXPECT_EQ(kind(R"({"a": 1})"), kJsonObject);
  EXPECT_EQ(kind(" \n[1, 2]\n"), kJsonArray);
  EXPECT_EQ(kind("```json\n{\"a\": 1}\n```"), kJsonInFence);
  EXPECT_EQ(kind("```\n{\"a\": 1}\n```"), kJsonInFence);
  EXPECT_EQ(kind(R"({"a": 1,})"), kBrokenJson);
  EXPECT_EQ(kind(R"({'a': 'b'})"), kBrokenJson);
  EXPECT_EQ(kind(R"({"a": "cut of)"), kBrokenJson);
  EXPECT_EQ(kind("Sure! Here it is:\n{\"a\": {\"b\": 2}}"), kTextWithJson);
  EXPECT_EQ(kind("{\"a\": 1}\n\nLet me know."), kTextWithJson);
  EXPECT_EQ(kind("<a><b>1</b><c/></a>"), kXml);
  EXPECT_EQ(kind("<x><y>one sentence that is not well nested, alas</x></y>"), kProse);
  EXPECT_EQ(kind("<p>It moves.</p><ul><li>two weeks</li><li>by post</li></ul>"), kHtml);
  EXPECT_EQ(kind("First <b>this</b>, then <br>that<br>, and <i>so</i> on."), kHtml);
  EXPECT_EQ(kind("The tag `<b>` must be closed by `</b>`, as `<p>` by `</p>`."), kProse);
  EXPECT_EQ(kind("Name: Rosa\nCity: Lima"), kKeyLines);
  EXPECT_EQ(kind("**Company:** Nova\n- sector: optics\n- city: Oslo"), kKeyLines);
  EXPECT_EQ(kind("```sql\nSELECT 1;\n```"), kCode);
  EXPECT_EQ(format_family("```SQL\nSELECT 1;\n```").detail, "sql");
}

TEST(FormatFamily, TellsShortAnswers) {
  for (const char* number : {"42", "-3.5", "$1,200.50", "12 %", "1e-5", "42.", "€ 7"})
    EXPECT_EQ(kind(number), kNumber) << number;
  for (const char* yes : {"Yes", "no.", "TRUE", "Ja", "sí", "はい"}) EXPECT_EQ(kind(yes), kYesNo) << yes;
  for (const char* text : {"billing", "Bug.", "New York", "out_of_scope", "東京タワー"})
    EXPECT_EQ(kind(text), kShortText) << text;
  EXPECT_EQ(kind("It is billing, I would say."), kProse);
  EXPECT_EQ(kind(""), kEmpty);
  EXPECT_EQ(kind(" \n\t"), kEmpty);
}

TEST(FormatFamily, TellsProse) {
  EXPECT_EQ(kind("The parcel waits at the depot. Reply with the number."), kProse);
  EXPECT_EQ(kind("First paragraph here.\n\nSecond paragraph here."), kParagraphs);
  EXPECT_EQ(kind("Take these:\n- rest\n- water"), kBullets);
  EXPECT_EQ(kind("1. Open it\n2. Close it"), kNumbered);
  EXPECT_EQ(kind("# Title\n\nText of it."), kHeadings);
  EXPECT_EQ(kind("| a | b |\n|---|---|\n| 1 | 2 |"), kTable);
  EXPECT_EQ(kind("Do this:\n\n```sh\nls # not a heading\n```\nDone."), kTextWithCode);
  EXPECT_EQ(kind("[Note] {curly} things are no JSON, of course."), kProse);
}

TEST(FormatFamily, IdentityIsKindAndKeys) {
  EXPECT_EQ(format_family(R"({"a": 1, "b": null})").id, format_family(R"({"b": "x", "a": [2]})").id);
  EXPECT_NE(format_family(R"({"a": 1})").id, format_family(R"({"b": 1})").id);
  EXPECT_EQ(format_family("yes").id, format_family("no").id);
  EXPECT_NE(format_family("```sql\nx\n```").id, format_family("```py\nx\n```").id);
  EXPECT_EQ(format_family(R"({"company": 1, "city": 2})").name(), "JSON with the keys city, company");
  EXPECT_EQ(format_family("- a\n- b").name(), "a bullet list");
}

TEST(FormatFamily, ShapesHavePathsAndTypes) {
  AnswerShape shape;
  ASSERT_TRUE(json_shape(R"({"a": {"b": [1, {"c": null}]}, "d": "label"})", shape));
  std::string words;
  for (const AnswerField& f : shape.fields)
    words += f.path + " is " + std::string(field_type_name(f.type)) + "; ";
  EXPECT_EQ(words,
            "a is an object; a.b is a list; a.b[] is a number; a.b[] is an object; a.b[].c is null; d is a "
            "string; ");
  EXPECT_EQ(shape.fields.back().value, "label");
  AnswerShape none;
  EXPECT_FALSE(json_shape("\"text\"", none));
  EXPECT_FALSE(json_shape("{", none));
  AnswerShape letter;
  EXPECT_FALSE(key_lines_shape("Dear Rosa:\nThanks for your letter.", letter));
  EXPECT_FALSE(key_lines_shape("A: hi\nB: hi\nA: bye\nB: bye\nA: well\nB: ok", letter)) << "a dialogue";
}

TEST(FormatFamily, KnowsThePartsOfMarkdown) {
  EXPECT_EQ(markdown_parts("Just a sentence."), 0);
  EXPECT_EQ(markdown_parts("## Kettle\n\nIt is **quiet**.\n\n- steel\n- ochre"),
            kHasHeading | kHasBullets | kHasBold);
  EXPECT_EQ(markdown_parts("1. one\n2. two\n\n```sh\nls # not a heading\n```"), kHasNumbers | kHasFence);
  EXPECT_EQ(markdown_parts("| a | b |\n|---|---|\n| 1 | 2 |"), kHasTable);
  for (const char* bold : {"**Note:** wait", "a **\"word\"** here", "(**so**)", "**größer**"})
    EXPECT_EQ(markdown_parts(bold), kHasBold) << bold;
  for (const char* plain :
       {"f(**kwargs) and g(**kwargs)", "2 ** 8 ** 2", "******", "a**b**c", "**", "- one bullet"})
    EXPECT_EQ(markdown_parts(plain), 0) << plain;
}

TEST(FormatFamily, SurvivesAnything) {
  std::string deep(5000, '[');
  EXPECT_NO_THROW(format_family(deep));
  EXPECT_NO_THROW(format_family(std::string(3000, '{') + "\"a\":"));
  EXPECT_NO_THROW(format_family("\xFF\xFE{\"a\"\x80}"));
  std::string tags;
  for (int i = 0; i < 500; ++i) tags += "<a>";
  EXPECT_NO_THROW(format_family(tags));
  EXPECT_EQ(kind("```"), kShortText);
  EXPECT_NO_THROW(format_family("```json\n```"));
  EXPECT_NO_THROW(format_family("<"));
  EXPECT_NO_THROW(format_family("</a>"));
}

}  // namespace
}  // namespace lora
