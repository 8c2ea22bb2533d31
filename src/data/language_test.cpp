#include "data/language.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(GuessLanguage, KnowsTheCommonOnes) {
  const std::pair<std::string_view, const char*> cases[] = {
      {"English", "You should cook them for about twenty minutes and then taste whether they are done."},
      {"German",
       "Es tut uns leid, dass Ihr Paket noch nicht angekommen ist. Bitte schicken Sie uns ein Foto."},
      {"French", "Cette entreprise familiale fabrique des outils de jardin depuis trois générations."},
      {"Spanish", "Lamentamos mucho lo ocurrido. Por favor, envíenos una fotografía de la pieza."},
      {"Portuguese", "Você pode pegar o ônibus na estação; ele sai a cada hora e não é muito caro."},
      {"Italian",
       "Questo prodotto non funziona per niente e il servizio clienti non risponde mai alle mie domande."},
      {"Dutch", "Dat weet ik niet zeker, maar de meeste mensen denken dat het met het weer te maken heeft."},
      {"Swedish",
       "Jag vet inte om det är möjligt att boka ett rum för två personer när ni har så mycket att göra."},
      {"Polish",
       "Nie wiem, czy jest to możliwe, ale proszę przyjść jutro do biura i zapytać o to kierownika."},
      {"Finnish",
       "En tiedä onko se mahdollista, mutta voit kysyä huomenna toimistosta kun he ovat paikalla."},
      {"Turkish",
       "Bu konuda çok bilgim yok ama yarın ofise gelip müdüre sorabilirsiniz, o size yardımcı olacaktır."},
      {"Russian", "Заполните форму на сайте и приложите фотографию чека, мы вернём деньги через неделю."},
      {"Ukrainian", "Заповніть форму на сайті, і ми повернемо гроші протягом тижня."},
      {"Greek", "Δεν γνωρίζω αν είναι δυνατόν να έρθετε αύριο."},
      {"Japanese", "地元の野菜を使った鍋料理が有名です。"},
      {"Chinese", "这里的特色菜是用当地蔬菜做的火锅。"},
      {"Korean", "내일 사무실로 오시면 도와드리겠습니다."},
      {"Arabic", "لا أعرف إن كان ذلك ممكنا غدا صباحا."},
      {"Hindi", "मुझे नहीं पता कि यह संभव है या नहीं।"},
      {"Thai", "ฉันไม่ทราบว่าเป็นไปได้หรือไม่"},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(language_name(guess_language(text)), name) << text;
}

TEST(GuessLanguage, SaysNothingWhereItCannotKnow) {
  for (const char* text :
       {"", "OK", "Novaforge, Oslo, 1984",
        "Amara Okafor, Bjorn Lindqvist, Chloe Marchetti, Dmitri Petrov, Elena Sandoval",
        "SELECT id, total FROM orders ORDER BY total DESC LIMIT 5;", "std::vector<int> xs; xs.push_back(1);",
        "```\nthe of and to in is that it for was\n```", "https://example.org/the/of/and/to/is/it"})
    EXPECT_EQ(guess_language(text), Language::kUnknown) << text;
}

TEST(GuessLanguage, RelativesAreNotHeldApart) {
  EXPECT_TRUE(may_be_same(Language::kDanish, Language::kNorwegian));
  EXPECT_TRUE(may_be_same(Language::kUnknown, Language::kGerman));
  EXPECT_FALSE(may_be_same(Language::kSpanish, Language::kPortuguese));
}

TEST(GuessLanguage, HearsOfLanguages) {
  EXPECT_TRUE(speaks_of_language("say it in german, please", Language::kGerman));
  EXPECT_TRUE(speaks_of_language("auf deutsch bitte", Language::kGerman));
  EXPECT_FALSE(speaks_of_language("say it in german, please", Language::kFrench));
  EXPECT_TRUE(speaks_of_language("translate this", Language::kFrench));
}

}  // namespace
}  // namespace lora
