#include "data/negative_answer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lora {
namespace {

TEST(NegativeAnswer, KnowsRefusalsInManyLanguages) {
  for (const char* no : {
           "I do not know that; sales figures are not something I can see.",
           "I cannot share another customer's order.",
           "I’m sorry, but I can’t help with that.",
           "The document does not mention a price.",
           "Das kann ich nicht beurteilen. Bitte frag deine Ärztin.",
           "Das weiß ich leider nicht.",
           "Je ne peux malheureusement pas répondre à cette question.",
           "No lo sé, no tengo acceso a pronósticos.",
           "Não sei responder a isso.",
           "Non posso fornire questo dato.",
           "Dat weet ik helaas niet.",
           "Jag vet tyvärr inte det.",
           "Nie wiem, jaka będzie pogoda.",
           "Я не могу сообщать такие сведения.",
           "申し訳ありませんが、最新の天気はわかりません。",
           "抱歉，我无法提供该信息。",
           "죄송하지만 알 수 없습니다.",
           "Bunu bilmiyorum.",
           "لا أعرف الإجابة.",
       })
    EXPECT_TRUE(is_negative_answer(no)) << no;
}

TEST(NegativeAnswer, KnowsEmptyResults) {
  for (const char* no :
       {"unknown", "N/A", "None.", "not stated", "null", "{}", "[]", R"({"company": null, "year": 3})",
        R"({"items": []})", R"({"name": ""})", R"({"name": "not stated"})", "```sql\nSELECT 'no data';\n```",
        "<a><b/></a>", "Name: Rosa\nCity: unknown", "title: fair\nowner: ~\ndue: May",
        "I see nothing wrong here.", "keine Angabe", "不明"})
    EXPECT_TRUE(is_negative_answer(no)) << no;
}

TEST(NegativeAnswer, OrdinaryAnswersAreNone) {
  for (const char* yes : {
           "The parcel waits at the depot because the house number is missing.",
           "I am sorry about the crack. Send us one photo and we post a new one.",
           "We do, at a third of the list price. No appointment needed.",
           "I can't wait to see it!",
           "I cannot thank you enough.",
           "Gut passen Kümmel und etwas Zitrone. Verdorben sind sie dann aber nicht.",
           "no",
           "billing",
           "42",
           R"({"company": "Unknown Pleasures Ltd", "year": 1979})",
           "```python\nx = None\n```",
           "En {p} un menú cuesta diez euros.",
       })
    EXPECT_FALSE(is_negative_answer(yes)) << yes;
}

TEST(NegativeAnswer, LearnsFallbacksFromTheSystemPrompt) {
  const auto words = fallback_words(
      "Write one query. If the tables cannot answer, write a query that selects 'no data'. Be brief.");
  EXPECT_NE(std::ranges::find(words, "no data"), words.end());
  const auto capital = fallback_words("Name the city. If there is none, answer NOCITY.");
  EXPECT_TRUE(is_negative_answer("NOCITY", capital));
  EXPECT_FALSE(is_negative_answer("NOCITY"));
  EXPECT_TRUE(fallback_words("Answer with the label \"billing\" or \"bug\".").empty());
}

}  // namespace
}  // namespace lora
