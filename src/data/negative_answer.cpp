#include "data/negative_answer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <unordered_map>

#include "base/utf8.h"
#include "data/format_family.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kLookedAt = 4000;  // bytes of an answer

// Words in a row; '*' stands for up to four more in the same sentence. Folded, apostrophes straight.
constexpr std::string_view kPhrases =
    // English
    "i cannot|i can't|i can not|i am unable|i'm unable|i am not able|i'm not able|i could not find|"
    "i couldn't find|i won't|i will not|i must decline|i have to decline|i may not|i am not allowed|"
    "i'm not allowed|i am not permitted|i don't know|i do not know|i don't * have access|"
    "i do not * have access|i don't have * information|i do not have * information|"
    "i have no information|i have no way|i'm not sure|i am not sure|i'm afraid i|not something i can|"
    "not something we can|we cannot|we can't|we are unable|we're unable|we are not able|we don't know|"
    "we do not know|as an ai|outside my|outside of my|beyond my|not enough information|"
    "insufficient information|no information|cannot be determined|can't be determined|"
    "cannot be answered|cannot be inferred|could not be determined|unable to determine|"
    "impossible to say|impossible to tell|not possible to say|not possible to tell|"
    "not possible to determine|does not say|doesn't say|does not mention|doesn't mention|"
    "do not mention|don't mention|does not state|doesn't state|does not specify|doesn't specify|"
    "does not provide|doesn't provide|does not contain * information|doesn't contain * information|"
    "does not include|does not give|doesn't give|does not indicate|not stated|not mentioned|"
    "not specified|not given in|not provided|not known|nobody knows|no record of|no data|is unknown|"
    "are unknown|only a doctor can|i would not|i'd rather not|don't have that information|"
    "do not have that information|don't have enough|do not have enough|sorry but i|not covered in|"
    "not available in|nothing wrong|no issues|found nothing|nothing to report|no problems|"
    "no changes needed|nothing to fix|"
    // German
    "ich weiß * nicht|weiß ich * nicht|ich kann * nicht|kann ich * nicht|kann ich * keine|"
    "ich kann * keine|wir können * nicht|können wir * nicht|darf ich * nicht|ich darf * nicht|"
    "darf ich * keine|ich darf * keine|ich bin nicht in der lage|nicht bekannt|nicht angegeben|"
    "nicht genannt|nicht erwähnt|keine angabe|keine angaben|keine information|keine informationen|"
    "geht * nicht hervor|lässt sich nicht|wissen wir nicht|steht nicht im|liegen mir nicht vor|"
    "habe ich keine|ich habe keine|wir haben keine information|"
    // French
    "je ne sais pas|je ne peux pas|je ne peux malheureusement pas|je ne peux * vous|"
    "je ne suis pas en mesure|je ne dispose pas|je n'ai pas|je ne connais pas|nous ne pouvons pas|"
    "nous ne savons pas|n'est pas précisé|n'est pas précisée|n'est pas mentionné|n'est pas mentionnée|"
    "n'est pas indiqué|n'est pas indiquée|ne précise pas|ne mentionne pas|ne dit pas|pas d'information|"
    "aucune information|impossible de dire|impossible de déterminer|non précisé|non communiqué|"
    // Spanish
    "no lo sé|no sé|no puedo|no podemos|no sabemos|no dispongo|no tengo información|no tengo * acceso|"
    "no tengo esa|no se menciona|no se indica|no se especifica|no se dice|no menciona|no especifica|"
    "no indica|no consta|no es posible determinar|lo desconozco|no está indicado|sin información|"
    "no hay información|no me es posible|"
    // Portuguese
    "não sei|não posso|não podemos|não sabemos|não tenho * informação|não tenho * informações|"
    "não tenho acesso|não menciona|não é mencionado|não foi informado|não informa|não especifica|"
    "não consta|não consigo|não é possível determinar|não há informação|"
    // Italian
    "non lo so|non so|non posso|non possiamo|non sappiamo|non ho informazioni|non ho accesso|"
    "non dispongo|non è specificato|non è indicato|non è menzionato|non menziona|non specifica|"
    "non indica|non sono in grado|non è possibile determinare|"
    // Dutch
    "ik weet * niet|weet ik * niet|ik kan * niet|kan ik * niet|kan ik * geen|ik kan * geen|"
    "ik mag * niet|mag ik * niet|niet vermeld|niet bekend|geen informatie|wij kunnen * niet|"
    "niet genoemd|"
    // Swedish, Danish, Norwegian
    "jag vet * inte|vet jag * inte|jag kan * inte|kan jag * inte|framgår inte|anges inte|"
    "jeg ved * ikke|ved jeg * ikke|jeg kan * ikke|kan jeg * ikke|jeg vet * ikke|vet jeg * ikke|"
    "fremgår ikke|oplyses ikke|står ikke i|"
    // Finnish
    "en tiedä|en voi|en pysty|emme voi|emme tiedä|ei mainita|ei ole tiedossa|ei kerrota|"
    // Polish
    "nie wiem|nie mogę|nie możemy|nie wiemy|nie podano|nie mam informacji|brak informacji|"
    "nie jestem w stanie|nie ma informacji|"
    // Czech
    "nevím|nemohu|nemůžu|nemůžeme|není uvedeno|nemám informace|"
    // Russian, Ukrainian
    "я не знаю|не знаю|не могу|не можем|не указано|не указан|не указана|не сообщается|нет информации|"
    "неизвестно|не упоминается|не располагаю|я не можу|не вказано|немає інформації|невідомо|не знаємо|"
    // Turkish
    "bilmiyorum|bilmiyoruz|yardımcı olamam|belirtilmemiş|bilgi yok|bilgim yok|paylaşamam|yapamam|"
    "veremem|"
    // Romanian, Hungarian
    "nu știu|nu pot|nu este menționat|nu se menționează|nem tudom|nem tudok|nem szerepel|"
    "nincs információ|"
    // Indonesian, Vietnamese
    "saya tidak tahu|saya tidak bisa|saya tidak dapat|tidak disebutkan|tidak ada informasi|"
    "tôi không biết|tôi không thể|không được đề cập|không có thông tin|"
    // Greek, Arabic, Hebrew, Hindi
    "δεν γνωρίζω|δεν ξέρω|δεν μπορώ|δεν αναφέρεται|لا أعرف|لا أعلم|لا أستطيع|لا يمكنني|غير مذكور|"
    "غير معروف|לא יודע|לא יכול|לא צוין|मुझे नहीं पता|मैं नहीं|नहीं कर सकता|नहीं बता सकता|जानकारी नहीं|"
    "उल्लेख नहीं|"
    // Korean
    "알 수 없습니다|할 수 없습니다|도와드릴 수 없습니다|드릴 수 없습니다|모르겠습니다|모릅니다|정보가 "
    "없습니다|언급되지 않았습니다";

// Scripts without blanks: parts of a text.
constexpr std::string_view kParts =
    "わかりません|分かりません|できません|できかねます|いたしかねます|存じません|記載されていません|"
    "記載がありません|記載はありません|言及されていません|情報がありません|情報はありません|"
    "不明です|知りません|不知道|无法|無法|不能提供|不能透露|不清楚|没有提到|没有提及|未提及|未提供|沒有提到|"
    "没有说明|没有相关信息|不能回答|不便|ไม่ทราบ|ไม่สามารถ|"
    "ไม่ได้ระบุ|ไม่มีข้อมูล|알 수 없";

// What follows "I cannot" where it refuses nothing.
constexpr std::string_view kNoRefusal = "wait|believe|imagine|thank|stress|emphasize|overstate|stop|complain";

// Whole short answers.
constexpr std::string_view kWhole =
    "unknown|n/a|na|none|null|nil|not stated|not given|not mentioned|not specified|not available|"
    "not provided|no data|no answer|no information|unclear|undetermined|unspecified|not found|"
    "not applicable|nothing|no entities|no match|no result|no results|other|none of the above|neither|"
    "irrelevant|out of scope|out_of_scope|out-of-scope|unsure|uncertain|unanswerable|cannot answer|"
    "cannot say|insufficient|not enough information|empty|no_data|not_found|not_stated|no_answer|"
    "not sure|can't tell|cannot tell|refuse|refused|unbekannt|keine|keine angabe|nicht bekannt|unklar|"
    "sonstiges|inconnu|inconnue|non précisé|aucun|aucune|autre|desconocido|no consta|no especificado|"
    "ninguno|otro|sconosciuto|nessuno|altro|desconhecido|nenhum|outro|onbekend|geen|неизвестно|"
    "не указано|нет данных|другое|不明|未知|无|なし|該当なし|없음";

// The entries of a table: what stands between its bars.
std::vector<std::string_view> entries_of(std::string_view table) {
  std::vector<std::string_view> out;
  while (!table.empty()) {
    const size_t bar = std::min(table.find('|'), table.size());
    if (bar > 0) out.push_back(table.substr(0, bar));
    table.remove_prefix(std::min(bar + 1, table.size()));
  }
  return out;
}
bool has_entry(std::string_view table, std::string_view entry) {
  for (size_t at = table.find(entry); at != std::string_view::npos && !entry.empty();
       at = table.find(entry, at + 1)) {
    const size_t end = at + entry.size();
    if ((at == 0 || table[at - 1] == '|') && (end == table.size() || table[end] == '|')) return true;
  }
  return false;
}

struct Word {
  std::string_view text;
  size_t sentence;
};

std::vector<Word> words_in_sentences(std::string_view text) {
  std::vector<Word> words;
  size_t sentence = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    const bool quote = text[i] == '\'' && i > 0;
    if (!is_word_character(c.code_point) && !quote) {
      if (text[i] == '.' || text[i] == '!' || text[i] == '?' || text[i] == '\n' || text[i] == ';' ||
          c.code_point == 0x964)
        ++sentence;
      i += c.length;
      continue;
    }
    const size_t begin = i;
    while (i < text.size()) {
      const Utf8Char d = utf8_at(text, i);
      if (!is_word_character(d.code_point) &&
          !(text[i] == '\'' && i + 1 < text.size() && !is_blank(text[i + 1])))
        break;
      i += d.length;
    }
    if (i == begin)
      ++i;
    else
      words.push_back({text.substr(begin, i - begin), sentence});
  }
  return words;
}

using Phrase = std::vector<std::string_view>;
using Phrases = std::unordered_map<std::string_view, std::vector<Phrase>>;

// Made once: the phrases by their first word.
const Phrases& phrases() {
  static const Phrases table = [] {
    Phrases out;
    for (const std::string_view phrase : entries_of(kPhrases)) {
      Phrase words = space_words(phrase);
      const std::string_view first = words[0];
      out[first].push_back(std::move(words));
    }
    return out;
  }();
  return table;
}

// Whether `phrase` from its word `p` on stands in `words` from `w` on; `end` is the word behind it.
bool matches(const Phrase& phrase, size_t p, std::span<const Word> words, size_t w, size_t sentence,
             size_t& end) {
  if (p == phrase.size()) {
    end = w;
    return true;
  }
  if (phrase[p] == "*") {
    for (size_t skip = 0; skip <= 4; ++skip)
      if (matches(phrase, p + 1, words, w + skip, sentence, end)) return true;
    return false;
  }
  return w < words.size() && words[w].sentence == sentence && words[w].text == phrase[p] &&
         matches(phrase, p + 1, words, w + 1, sentence, end);
}

bool says_no(std::string_view folded) {
  const std::vector<Word> words = words_in_sentences(folded);
  for (size_t w = 0; w < words.size(); ++w) {
    const auto at = phrases().find(words[w].text);
    if (at == phrases().end()) continue;
    for (const Phrase& phrase : at->second) {
      size_t end = 0;
      if (!matches(phrase, 0, words, w, words[w].sentence, end)) continue;
      const std::string_view next = end < words.size() ? words[end].text : std::string_view();
      if (!has_entry(kNoRefusal, next)) return true;
    }
  }
  const bool ascii = std::ranges::all_of(folded, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return !ascii && std::ranges::any_of(entries_of(kParts), [&](std::string_view part) {
    return folded.find(part) != std::string_view::npos;
  });
}

std::string straight_apostrophes(std::string text) {
  for (size_t at; (at = text.find("\xE2\x80\x99")) != std::string::npos;) text.replace(at, 3, 1, '\'');
  return text;
}

std::string_view bare(std::string_view text) {
  constexpr std::string_view kEnds = ".!\"'`*()[]<>-";
  text = trimmed_text(text);
  while (!text.empty() && kEnds.find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  while (!text.empty() && kEnds.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return text;
}

bool is_whole_no(std::string_view folded) {
  folded = bare(folded);
  return has_entry(kWhole, folded);
}

// A quoted string in code that says no.
bool quotes_a_no(std::string_view folded) {
  for (size_t i = 0; i < folded.size(); ++i) {
    if (folded[i] != '\'' && folded[i] != '"') continue;
    const size_t end = folded.find(folded[i], i + 1);
    if (end == std::string_view::npos || end - i > 80) continue;
    const std::string_view inside = folded.substr(i + 1, end - i - 1);
    if (inside.size() > 2 && (is_whole_no(inside) || says_no(inside))) return true;
  }
  return false;
}

bool has_empty_field(const FormatFamily& family, std::string_view folded) {
  if (family.shape.empty()) return true;  // {} or []
  for (const AnswerField& field : family.shape.fields) {
    if (field.type == FieldType::kNull) return true;
    if (field.type == FieldType::kString && !field.value.empty() && is_whole_no(folded_text(field.value)))
      return true;
  }
  for (const std::string_view empty : {":\"\"", ": \"\"", ":[]", ": []", ":{}", ": {}", ": ~\n"})
    if (folded.find(empty) != std::string_view::npos) return true;
  return false;
}

}  // namespace

std::vector<std::string> fallback_words(std::string_view system_prompt) {
  constexpr std::string_view kCues =
      "if|when|otherwise|else|unless|cannot|can't|not|no|unknown|unclear|missing|unsure|nothing|none|"
      "without|wenn|falls|sonst|nicht|kein|keine|fehlt|si|sinon|pas|aucun|no|sino|ningún|se|non|não|"
      "senão|если|иначе|нет|jeśli|als|niet|eğer|om";
  std::vector<std::string> out;
  const std::string text = straight_apostrophes(std::string(system_prompt.substr(0, 8000)));
  // Sentences end at ". " and line breaks; quotes are kept whole.
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    while (end < text.size() && text[end] != '\n' &&
           !((text[end] == '.' || text[end] == '!' || text[end] == '?') &&
             (end + 1 == text.size() || is_blank(text[end + 1]))))
      ++end;
    const std::string_view sentence = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    const std::string folded = folded_text(sentence);
    if (std::ranges::none_of(entries_of(kCues),
                             [&](std::string_view cue) { return contains_word(folded, cue); }))
      continue;
    const auto add = [&](std::string_view word) {
      word = bare(word);
      if (word.size() >= 2 && word.size() <= 80) out.push_back(folded_text(word));
    };
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kQuotes{
        {{"\"", "\""}, {" '", "'"}, {"`", "`"}, {"“", "”"}, {"«", "»"}, {"「", "」"}}};
    for (const auto& [open, close] : kQuotes)
      for (size_t at = sentence.find(open); at != std::string_view::npos;) {
        const size_t from = at + open.size(), to = sentence.find(close, from);
        if (to == std::string_view::npos) break;
        add(sentence.substr(from, to - from));
        at = sentence.find(open, to + close.size());
      }
    for (const std::string_view word : space_words(sentence)) {
      const std::string_view w = bare(word.substr(0, word.find_last_not_of(",;:") + 1));
      if (w.size() >= 4 && w != "JSON" &&
          std::ranges::all_of(w, [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; }))
        add(w);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool is_negative_answer(std::string_view answer, const std::vector<std::string>& fallbacks) {
  const std::string_view text = trimmed_text(answer).substr(0, kLookedAt);
  const std::string folded = straight_apostrophes(folded_text(text));
  if (is_whole_no(folded)) return true;
  for (const std::string& word : fallbacks) {
    if (bare(folded) == word) return true;
    if (word.size() >= 5 && word.find(' ') != std::string::npos && folded.find(word) != std::string::npos)
      return true;
  }
  const FormatFamily family = format_family(text);
  switch (family.kind) {
    case FormatKind::kEmpty:
      return false;
    case FormatKind::kJsonObject:
    case FormatKind::kJsonArray:
    case FormatKind::kJsonInFence:
    case FormatKind::kKeyLines:
    case FormatKind::kTextWithJson:
      if (has_empty_field(family, folded)) return true;
      break;
    case FormatKind::kXml:
      return folded.find("/>") != std::string::npos || folded.find("></") != std::string::npos ||
             says_no(folded);
    case FormatKind::kCode:
      return quotes_a_no(folded);
    case FormatKind::kNumber:
      return false;
    default:
      break;
  }
  return says_no(folded);
}

}  // namespace lora
