#include "data/checks/mojibake.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

TEST(Mojibake, RepairsWhatHasOneRepair) {
  const std::pair<const char*, const char*> cases[] = {
      {"cafÃ© in ZÃ¼rich", "café in Zürich"},
      {"It isnâ€™t â€œfarâ€\xC2\x9D.", "It isn’t “far”."},
      {"50 â‚¬ â€“ 20 Â°C", "50 € – 20 °C"},
      {"cafÃƒÂ©", "café"},      // twice
      {"it\xC2\x92s", "it’s"},  // Windows-1252 read as Latin-1
      {"ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"},
      {"æ—¥æœ¬", "日本"},
      {"smile ðŸ˜€", "smile 😀"},
      {"ADMINISTRACIÃ“N", "ADMINISTRACIÓN"},
      {"ï»¿text", "text"},
  };
  for (const auto& [bad, good] : cases) {
    EXPECT_TRUE(find_mojibake(bad)) << bad;
    EXPECT_EQ(repair_mojibake(bad).value_or("(none)"), good) << bad;
  }
}

TEST(Mojibake, SeesWhatItCannotRepair) {
  for (const char* bad : {"sch├╢ne Gr├╝├ƒe", "sch├Âne", "itΓÇÖs", "Gr\xEF\xBF\xBD\xEF\xBF\xBD aus",
                          "caf\xEF\xBF\xBD and cafÃ©", "isn‚Äôt it", "РџСЂРёРІРµС‚"}) {
    EXPECT_TRUE(find_mojibake(bad)) << bad;
    EXPECT_FALSE(repair_mojibake(bad)) << bad;
  }
  EXPECT_EQ(find_mojibake("We met at the cafÃ©."), 17u);
}

TEST(Mojibake, LeavesTextAlone) {
  for (const char* good : {"",
                           "├── src",
                           "├─é",
                           "┬──┬",
                           "ΓΑΛΑ",
                           "plain",
                           "café, Zürich, señor, Łódź, “quoted” – isn’t … €",
                           "NÃO É",
                           "CAFÉ…",
                           "le CAFÉ”",
                           "SMÅ”",
                           "„MENÜ“",
                           "Âge et château",
                           "20 °C, § 5, ½, ©",
                           "«À bientôt»",
                           "Привет, как дела? Россия и СССР",
                           "日本語 한국어 العربية",
                           "naïve façade Å Ä Ö",
                           "3 × 4 ÷ 2 ± 1",
                           "RÉSUMÉ™",
                           "voilà !",
                           "Ça va ? — Très bien…",
                           "ÐÞ þorn",
                           "x² + y³ = z¹"}) {
    EXPECT_FALSE(find_mojibake(good)) << good;
    EXPECT_FALSE(repair_mojibake(good)) << good;
  }
}

TEST(Mojibake, IsSaidAtItsPlaceAndOnceForASharedPrompt) {
  std::vector<testing::Asked> rows(30, {"Answer kindly â€“ always.", "What is it?", "A lamp."});
  rows[7].question = "We met at the cafÃ©.";
  const auto found = testing::said_of(make_mojibake_check(), rows);
  ASSERT_EQ(testing::warned(found), (std::vector<size_t>{1, 8}));
  EXPECT_EQ(found[1].column, 1 + testing::jsonl_of({rows[7]}).find("Ã") - 5)
      << "characters, not bytes: the prompt before it holds three of eight bytes";
  EXPECT_NE(found[1].message.find("\"café.\""), std::string::npos) << found[1].message;
}

}  // namespace
}  // namespace lora
