#include "data/language.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>

#include "base/utf8.h"
#include "data/plain_text.h"

namespace lora {
namespace {

using enum Language;

constexpr size_t kLookedAt = 3000;  // bytes
constexpr size_t kByWords = static_cast<size_t>(kVietnamese) + 1;

constexpr std::array<std::string_view, kLanguages> kNames{
    "unknown",   "English",   "German",  "French",     "Spanish",    "Portuguese", "Italian",
    "Dutch",     "Swedish",   "Danish",  "Norwegian",  "Finnish",    "Polish",     "Czech",
    "Romanian",  "Hungarian", "Turkish", "Indonesian", "Vietnamese", "Russian",    "Ukrainian",
    "Bulgarian", "Greek",     "Arabic",  "Persian",    "Hebrew",     "Hindi",      "Bengali",
    "Tamil",     "Thai",      "Korean",  "Japanese",   "Chinese"};

// Frequent words. A word that several languages share stands in each of them: then it decides nothing.
struct Words {
  Language language;
  std::string_view words;
};
constexpr std::array kWords{
    Words{kEnglish,
          "the a of and to in is that it for was on are as with his they be at one have this from or had by "
          "not but what some we can out other were all there when up use your how said an each she which do "
          "their if will way about many then them would so these her him has been who its now i you my me "
          "could should than any into our no please write give find where why did does does'nt don't "
          "want need just like also because after before only over most very such here may must get make "
          "more he's it's i'm am"},
    Words{
        kGerman,
        "der die das und ist nicht ein eine einen einem einer den dem des zu mit sich auf für von im auch es "
        "an werden aus er hat dass sie nach wird bei um noch wie über so zum war haben nur oder aber vor zur "
        "bis mehr durch man sein wurde wenn kann ich mich mir du dich dir wir uns ihr euch ihre ihren ihnen "
        "bitte was wo warum welche welcher sind habe keine kein schon sehr alle diese dieser dieses können "
        "müssen soll "
        "möchte danke gibt unter gegen etwas am vom beim doch dann hier immer wieder ja nein guten"},
    Words{kFrench,
          "le la les de des du un une et est en que qui dans pour pas au sur par plus ne se sont avec ce il "
          "elle nous vous je tu son sa ses leur leurs mais ou où à été être cette ces aux d'un d'une c'est "
          "n'est "
          "qu'il comme tout faire fait peut très bien aussi si votre vos notre nos mon ma mes quel quelle "
          "comment pourquoi avez ont avoir était sans depuis entre même j'ai l'on y deux merci bonjour chez"},
    Words{kSpanish,
          "el la los las de del un una unos unas y es en que no se por con para como más pero sus le ya o "
          "este esta sí porque cuando muy sin sobre también me hasta hay donde quien desde todo nos durante "
          "todos uno les "
          "ni contra otros ese eso ante ellos esto mí antes algunos qué yo otro tanto él lo al su son está "
          "están tiene puede ser fue cuál cómo usted nuestro gracias hola tengo quiero favor si te mi tu"},
    Words{kPortuguese,
          "o a os as de do da dos das em no na nos nas um uma e é que não se por com para como mais mas foi "
          "ao ele ela seu sua ou ser quando muito já está eu também só pelo pela até isso entre era depois "
          "sem mesmo "
          "aos ter seus quem me esse eles estão você tinha foram essa num nem suas meu às minha têm são pode "
          "qual obrigado obrigada olá tenho quero favor isto este esta lhe nós"},
    Words{kItalian,
          "il lo la gli le i di del della dei delle dello in nel nella un uno una e è che non si per con "
          "come più ma da dal dalla su sul sono anche questo questa quello ha hanno ho o se mi ti ci al alla "
          "ai alle "
          "perché quando dove chi cosa molto può essere stato suo sua loro noi voi tutti tutto fare fatto "
          "grazie ciao vorrei quale quali ogni già ancora dopo prima senza nostro vostro"},
    Words{kDutch,
          "de het een en van in is dat op te zijn met voor niet aan er die als ook maar om bij dan nog wel "
          "naar hij ze zij je ik mijn me wij we uw u of over door uit kan heeft hebben worden wordt werd was "
          "waar wat hoe "
          "deze dit geen meer al zou moet graag kunt kunnen waarom welke heb bent onze tot hun alle veel "
          "tegen onder"},
    Words{kSwedish,
          "och att det som en på är av för med den till inte om ett men var jag har de sig från vi så kan "
          "när man hade eller hur nu skulle din mitt min du han hon ni vad detta denna dessa också mycket "
          "vill ska där här "
          "bara efter utan över vara blir finns mot mellan tack hej varför vilken någon något"},
    Words{kDanish,
          "og at det som en på er af for med den til ikke om et men var jeg har de sig fra vi så kan når man "
          "havde eller hvordan nu skulle din mit min du han hun hvad dette denne disse også meget vil skal "
          "der her "
          "bare efter uden over være bliver findes mod mellem tak hej hvorfor hvilken nogen noget blev"},
    Words{kNorwegian,
          "og at det som en på er av for med den til ikke om et men var jeg har de seg fra vi så kan når man "
          "hadde eller hvordan nå skulle din mitt min du han hun hva dette denne disse også mye vil skal der "
          "her "
          "bare etter uten over være blir finnes mot mellom takk hei hvorfor hvilken noen noe ble"},
    Words{kFinnish,
          "ja on ei se että oli hän mutta ovat tai kun niin kuin myös joka jos mitä voi ole sen minä sinä me "
          "te he tämä nämä olen olet olla mikä miten missä miksi kanssa jälkeen ennen vain sekä eli siitä "
          "tästä tässä "
          "siinä minun sinun kiitos hei paljon hyvin kaikki sitten vielä"},
    Words{kPolish,
          "i w na z do się nie to że jest jak o co za od po ale dla przez czy tak są ma może był była było "
          "być który która które ich jego jej tym tego ten ta te już tylko lub oraz gdy jeśli bardzo mnie mi "
          "ja ty on "
          "ona my wy pan pani proszę dziękuję dlaczego gdzie kiedy jaki jaka jakie ze pod przy"},
    Words{kCzech,
          "a v na se je že to s z do o i jak ale za po pro by si tak jsem jsou byl byla bylo být který která "
          "které jeho její jejich tento tato toto už jen nebo když pokud velmi mě mi já ty on ona my vy "
          "prosím děkuji "
          "proč kde kdy jaký jaká jaké také od při co není"},
    Words{kRomanian,
          "și în de la a cu pe este nu că un o din care sunt pentru mai se au fost ca dar să ce sau dacă lui "
          "ei îi prin după fără foarte acest această acestea acesta când unde cum cine el ea noi voi eu tu "
          "îmi mea meu "
          "vă rog mulțumesc bună poate trebuie"},
    Words{kHungarian,
          "a az és hogy nem is egy ez de meg van volt csak már mint ha el vagy azt ki mi én te ő mert kell "
          "lesz lehet nagyon minden ezt itt ott még után alatt között szerint kérem köszönöm miért hol mikor "
          "milyen hogyan "
          "amely aki ami pedig sem fel"},
    Words{kTurkish,
          "ve bir bu da de için ile çok ne o mi gibi daha var olarak ama en kadar sonra ben sen biz siz her "
          "değil ki olan oldu ya nasıl neden nerede hangi olduğu ise şey diye önce göre kendi yok veya "
          "lütfen teşekkürler "
          "istiyorum iyi mı mu"},
    Words{kIndonesian,
          "yang dan di untuk dengan ini itu dari pada tidak akan ke dalam adalah saya anda kami kita mereka "
          "dia bisa dapat sudah juga ada atau karena oleh jika sebagai lebih tersebut telah harus apa "
          "bagaimana mengapa "
          "kapan siapa tolong terima kasih seperti agar"},
    Words{kVietnamese,
          "và của là có không cho các được trong với một này những người đã để khi tôi bạn đó về như từ ra "
          "cũng nhưng vì nếu nào sẽ phải rất nhiều hay làm gì chúng xin cảm ơn hãy thì mà lại"},
};

// Frequent endings of longer words: weaker than a frequent word, but every sentence has some.
constexpr std::array kEndings{
    Words{kEnglish, "ing tion ness ment able ful ly ed"},
    Words{kGerman, "ung ungen keit lich isch chen schaft iert ieren ende"},
    Words{kFrench, "tion ment eux ique aux ée ées ez eur euse er"},
    Words{kSpanish, "ción ciones dad mente ando iendo ados idos ción ar"},
    Words{kPortuguese, "ção ções dade mente ando endo ados ões ar"},
    Words{kItalian, "zione zioni mente ità ando endo ati ato are ere"},
    Words{kDutch, "ing heid lijk lijke eren en"},
    Words{kSwedish, "ning het ande arna erna ades igt"},
    Words{kDanish, "ning hed else ende erne ede elser"},
    Words{kNorwegian, "ning het else ende ene ede elser"},
    Words{kFinnish, "ssa ssä sta stä lla llä nen sia siä aan ään een taan tään set vat vät tun ksi mista"},
    Words{kPolish, "ego ych nie ość ami ować owy owe owa iem ania enia ach ów emy"},
    Words{kCzech, "ého ých ní ost ové ovat ech ení ání ů ou ému ném ný ná né"},
    Words{kRomanian, "ului ilor ează țiune ție ește are ea"},
    Words{kHungarian, "ban ben nak nek ság ség ást ést hoz hez ból ből kat ket ják ált ott ett"},
    Words{kTurkish,
          "lar ler ları leri dır dir mak mek ını ini nın nin dan den acak ecek arak erek iyor ması mesi lik "
          "sınız siniz"},
    Words{kIndonesian, "nya kan lah kah"},
};

struct WordTable {
  std::unordered_map<std::string_view, uint32_t> languages;  // a bit for each
};

WordTable table_of(std::span<const Words> lists) {
  WordTable out;
  for (const Words& list : lists)
    for (const std::string_view word : space_words(list.words))
      out.languages[word] |= 1u << static_cast<unsigned>(list.language);
  return out;
}
const WordTable& word_table() {
  static const WordTable table = table_of(kWords);
  return table;
}
const WordTable& ending_table() {
  static const WordTable table = table_of(kEndings);
  return table;
}

// Letters that few of the Latin languages write.
uint32_t letter_hint(uint32_t c) {
  const auto of = [](auto... languages) { return ((1u << static_cast<unsigned>(languages)) | ...); };
  switch (c) {
    case 0xDF:
      return of(kGerman);
    case 0xE4:
      return of(kGerman, kSwedish, kFinnish);
    case 0xF6:
      return of(kGerman, kSwedish, kFinnish, kHungarian, kTurkish);
    case 0xFC:
      return of(kGerman, kTurkish, kHungarian, kSpanish);
    case 0xE5:
      return of(kSwedish, kDanish, kNorwegian);
    case 0xE6:
    case 0xF8:
      return of(kDanish, kNorwegian);
    case 0xF1:
    case 0xBF:
    case 0xA1:
      return of(kSpanish);
    case 0xE3:
    case 0xF5:
      return of(kPortuguese, kVietnamese);
    case 0xE7:
      return of(kFrench, kPortuguese, kTurkish);
    case 0xE8:
      return of(kFrench, kItalian, kVietnamese);
    case 0xEA:
      return of(kFrench, kPortuguese, kVietnamese);
    case 0xFB:
    case 0xEE:
    case 0x153:
    case 0xEB:
      return of(kFrench);
    case 0xF2:
    case 0xEC:
    case 0xF9:
      return of(kItalian, kVietnamese);
    case 0x105:
    case 0x107:
    case 0x119:
    case 0x142:
    case 0x144:
    case 0x15B:
    case 0x17A:
    case 0x17C:
      return of(kPolish);
    case 0x10D:
    case 0x10F:
    case 0x11B:
    case 0x159:
    case 0x16F:
    case 0x165:
      return of(kCzech);
    case 0x161:
    case 0x17E:
      return of(kCzech);
    case 0x103:
    case 0x21B:
    case 0x219:
      return of(kRomanian, kVietnamese);
    case 0x151:
    case 0x171:
      return of(kHungarian);
    case 0x131:
    case 0x11F:
    case 0x15F:
      return of(kTurkish);
    default:
      break;
  }
  if ((c >= 0x1EA0 && c <= 0x1EF9) || c == 0x111 || c == 0x1A1 || c == 0x1B0) return of(kVietnamese);
  return 0;
}

enum Script {
  kLatin,
  kCyrillic,
  kGreekScript,
  kArabicScript,
  kHebrewScript,
  kDevanagari,
  kBengaliScript,
  kTamilScript,
  kThaiScript,
  kHangul,
  kKana,
  kHan,
  kScripts
};

int script_of(uint32_t c) {
  if ((c >= 'a' && c <= 'z') || (c >= 0xDF && c < 0x250 && c != 0xF7) || (c >= 0x1E00 && c <= 0x1EFF))
    return kLatin;
  if (c >= 0x370 && c < 0x400) return kGreekScript;
  if (c >= 0x400 && c < 0x530) return kCyrillic;
  if (c >= 0x590 && c < 0x600) return kHebrewScript;
  if ((c >= 0x620 && c < 0x700) || (c >= 0xFB50 && c < 0xFE00)) return kArabicScript;
  if (c >= 0x900 && c < 0x964) return kDevanagari;
  if (c >= 0x980 && c < 0xA00) return kBengaliScript;
  if (c >= 0xB80 && c < 0xC00) return kTamilScript;
  if (c >= 0xE00 && c < 0xE80) return kThaiScript;
  if (c >= 0xAC00 && c < 0xD7B0) return kHangul;
  if (c >= 0x3040 && c < 0x3100) return kKana;
  if (c >= 0x3400 && c < 0xA000) return kHan;
  return -1;
}

struct Evidence {
  std::array<size_t, kScripts> letters{};
  std::array<size_t, kByWords> hits{}, hints{}, endings{};
  size_t words = 0;
  bool ukrainian = false, russian = false, bulgarian = false, persian = false;
};

void count_word(std::string_view word, Evidence& seen) {
  if (word.empty()) return;
  ++seen.words;
  const auto& table = word_table().languages;
  if (const auto at = table.find(word); at != table.end()) {
    for (size_t l = 1; l < kByWords; ++l) seen.hits[l] += at->second >> l & 1;
    return;
  }
  uint32_t languages = 0;
  for (size_t length = 2; length <= 6 && length + 3 <= word.size(); ++length)
    if (const auto at = ending_table().languages.find(word.substr(word.size() - length));
        at != ending_table().languages.end())
      languages |= at->second;
  for (size_t l = 1; languages != 0 && l < kByWords; ++l) seen.endings[l] += languages >> l & 1;
}

Evidence gather(std::string_view text) {
  Evidence seen;
  std::string word;
  bool addressed = false;  // part of an address or a code-like word
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '`') {  // code, short or long
      const std::string_view fence = text.substr(i).starts_with("```") ? "```" : "`";
      const size_t end = text.find(fence, i + fence.size());
      if (end != std::string_view::npos) {
        i = end + fence.size();
        continue;
      }
    }
    const Utf8Char c = utf8_at(text, i);
    if (c.valid && c.code_point == 0x2019 && !word.empty()) {
      word += '\'';
      i += c.length;
      continue;
    }
    const uint32_t letter = c.valid ? fold_letter(c.code_point) : 0;
    const int script = script_of(letter);
    if (script >= 0) {
      ++seen.letters[static_cast<size_t>(script)];
      if (letter >= 0x80 && script == kLatin)
        if (const uint32_t hint = letter_hint(letter))
          for (size_t l = 1; l < kByWords; ++l) seen.hints[l] += hint >> l & 1;
      seen.ukrainian =
          seen.ukrainian || letter == 0x456 || letter == 0x457 || letter == 0x454 || letter == 0x491;
      seen.russian = seen.russian || letter == 0x44B || letter == 0x44D || letter == 0x451;
      seen.bulgarian = seen.bulgarian || letter == 0x44A;
      seen.persian = seen.persian || letter == 0x67E || letter == 0x686 || letter == 0x6AF || letter == 0x6CC;
    } else if (letter == 0xBF || letter == 0xA1) {
      ++seen.hints[static_cast<size_t>(kSpanish)];
    }
    if (script == kLatin || (!word.empty() && text[i] == '\'')) {
      word.append(text[i] == '\'' ? "'" : "");
      if (text[i] != '\'') append_utf8(word, letter);
    } else {
      const bool joins = text[i] == '_' || text[i] == '/' || text[i] == '@' || text[i] == '\\' ||
                         is_ascii_digit(text[i]) || text[i] == '=' || text[i] == '<' || text[i] == '>' ||
                         (text[i] == '.' && i + 1 < text.size() && is_ascii_letter(text[i + 1]));
      while (word.ends_with('\'')) word.pop_back();
      if (!joins && !addressed) count_word(word, seen);
      addressed = joins || (addressed && !is_blank(text[i]));
      word.clear();
    }
    i += c.length;
  }
  if (!addressed) count_word(word, seen);
  return seen;
}

}  // namespace

std::string_view language_name(Language language) {
  return kNames[static_cast<size_t>(language)];
}

Language guess_language(std::string_view text) {
  const Evidence seen = gather(text.substr(0, kLookedAt));
  const auto& n = seen.letters;
  size_t total = 0;
  for (const size_t letters : n) total += letters;
  const auto mostly = [&](size_t letters, size_t least) {
    return letters >= least && letters * 10 >= total * 6;
  };
  if (mostly(n[kKana] + n[kHan], 8)) return n[kKana] * 12 >= n[kHan] ? kJapanese : kChinese;
  if (mostly(n[kHangul], 8)) return kKorean;
  if (mostly(n[kCyrillic], 15)) {
    if (seen.ukrainian) return kUkrainian;
    if (seen.russian) return kRussian;
    return seen.bulgarian ? kBulgarian : total >= 60 ? kBulgarian : kRussian;
  }
  if (mostly(n[kGreekScript], 12)) return kGreek;
  if (mostly(n[kArabicScript], 12)) return seen.persian ? kPersian : kArabic;
  if (mostly(n[kHebrewScript], 12)) return kHebrew;
  if (mostly(n[kDevanagari], 10)) return kHindi;
  if (mostly(n[kBengaliScript], 10)) return kBengali;
  if (mostly(n[kTamilScript], 10)) return kTamil;
  if (mostly(n[kThaiScript], 10)) return kThai;
  if (!mostly(n[kLatin], 18) || seen.words < 5) return kUnknown;
  // A frequent word counts two, a telling letter or ending one.
  std::array<size_t, kByWords> score{};
  for (size_t l = 1; l < kByWords; ++l)
    score[l] = 2 * seen.hits[l] + std::min(seen.hints[l], seen.words / 2 + 1) + seen.endings[l];
  size_t best = 1;
  for (size_t l = 2; l < kByWords; ++l)
    if (score[l] > score[best]) best = l;
  size_t second = 0;
  for (size_t l = 1; l < kByWords; ++l)
    if (l != best && !may_be_same(static_cast<Language>(l), static_cast<Language>(best)))
      second = std::max(second, score[l]);
  // Enough to stand on, no list of names, and clearly ahead.
  const size_t hits = seen.hits[best], other = score[best] - 2 * hits;
  const bool enough = hits >= 3 || (hits >= 2 && other >= 2) || (hits >= 1 && other >= 4);
  if (!enough || score[best] * 3 < seen.words || score[best] < second + 4 || score[best] * 3 < second * 4)
    return kUnknown;
  return static_cast<Language>(best);
}

bool is_frequent_word(std::string_view folded_word) {
  return word_table().languages.contains(folded_word);
}

bool may_be_same(Language a, Language b) {
  if (a == b || a == kUnknown || b == kUnknown) return true;
  const auto pair = [&](Language x, Language y) { return (a == x && b == y) || (a == y && b == x); };
  return pair(kDanish, kNorwegian) || pair(kRussian, kBulgarian) || pair(kUkrainian, kBulgarian) ||
         pair(kRussian, kUkrainian) || pair(kArabic, kPersian);
}

bool speaks_of_translating(std::string_view folded) {
  constexpr std::array<std::string_view, 40> kTranslating{
      "translate",      "translation",  "translator",     "translates",  "translated",  "translating",
      "übersetze",      "übersetzen",   "übersetzung",    "übersetzt",   "traduire",    "traduis",
      "traduisez",      "traduction",   "traduce",        "traducir",    "traducción",  "traduzca",
      "traduza",        "traduzir",     "tradução",       "traduci",     "traduzione",  "vertaal",
      "vertaling",      "översätt",     "oversæt",        "oversett",    "przetłumacz", "přelož",
      "переведи",       "переведите",   "翻译",           "翻譯",        "翻訳",        "번역",
      "how do you say", "wie sagt man", "comment dit-on", "cómo se dice"};
  return std::ranges::any_of(kTranslating,
                             [&](std::string_view word) { return contains_word(folded, word); });
}

bool speaks_of_language(std::string_view folded, Language language) {
  if (speaks_of_translating(folded)) return true;
  const auto has = [&](std::string_view word) { return contains_word(folded, word); };
  constexpr std::array<std::string_view, kLanguages> kSpoken{
      "",
      "english englisch anglais inglés inglês inglese engels engelska engelsk angielski английский "
      "английском 英語 英语 영어",
      "german deutsch allemand alemán alemão tedesco duits tyska tysk niemiecki немецкий ドイツ語 德语 "
      "deutschen",
      "french französisch français francés francês francese frans franska fransk francuski французский "
      "フランス語 法语",
      "spanish spanisch espagnol español espanhol spagnolo spaans spanska spansk hiszpański испанский "
      "スペイン語 西班牙语",
      "portuguese portugiesisch portugais portugués português portoghese portugees",
      "italian italienisch italien italiano italiaans",
      "dutch niederländisch néerlandais neerlandés holandês olandese nederlands",
      "swedish schwedisch suédois sueco svedese svenska",
      "danish dänisch danois danés dansk",
      "norwegian norwegisch norvégien noruego norsk",
      "finnish finnisch finnois finlandés suomi suomeksi",
      "polish polnisch polonais polaco polacco polski polsku",
      "czech tschechisch tchèque checo čeština česky",
      "romanian rumänisch roumain rumano română",
      "hungarian ungarisch hongrois húngaro magyar magyarul",
      "turkish türkisch turc turco türkçe",
      "indonesian indonesisch bahasa",
      "vietnamese vietnamesisch tiếng",
      "russian russisch russe ruso russo русский русском ロシア語 俄语",
      "ukrainian ukrainisch українська українською",
      "bulgarian bulgarisch български",
      "greek griechisch grec griego ελληνικά",
      "arabic arabisch arabe árabe العربية",
      "persian farsi persisch فارسی",
      "hebrew hebräisch hébreu hebreo עברית",
      "hindi हिंदी हिन्दी",
      "bengali bangla বাংলা",
      "tamil தமிழ்",
      "thai thailändisch ไทย",
      "korean koreanisch coréen coreano 한국어 韩语 韓国語",
      "japanese japanisch japonais japonés japonês giapponese 日本語 日语",
      "chinese chinesisch mandarin chinois chino chinês cinese 中文 汉语 中国語"};
  return std::ranges::any_of(space_words(kSpoken[static_cast<size_t>(language)]), has);
}

}  // namespace lora
