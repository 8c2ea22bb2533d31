// Which language a text is in, guessed by script, frequent words and letters. Says nothing where it is not sure: short
// texts, code, JSON, lists of names. Not for telling close relatives apart beyond their common words.
#pragma once

#include <cstdint>
#include <string_view>

namespace lora {

enum class Language : uint8_t {
  kUnknown,
  kEnglish,
  kGerman,
  kFrench,
  kSpanish,
  kPortuguese,
  kItalian,
  kDutch,
  kSwedish,
  kDanish,
  kNorwegian,
  kFinnish,
  kPolish,
  kCzech,
  kRomanian,
  kHungarian,
  kTurkish,
  kIndonesian,
  kVietnamese,  // by words
  kRussian,
  kUkrainian,
  kBulgarian,
  kGreek,
  kArabic,
  kPersian,
  kHebrew,
  kHindi,
  kBengali,
  kTamil,
  kThai,  // by script
  kKorean,
  kJapanese,
  kChinese,
};
inline constexpr size_t kLanguages = static_cast<size_t>(Language::kChinese) + 1;

std::string_view language_name(Language language);  // "German"; "unknown"

// Linear time. Code blocks, `inline code`, addresses and numbers are passed over.
Language guess_language(std::string_view text);

// Whether a word, folded, is one of the frequent words (articles, prepositions, …) of a language known by words.
bool is_frequent_word(std::string_view folded_word);

// False only when both are known and no reader would take one for the other (Danish and Norwegian are alike).
bool may_be_same(Language a, Language b);

// Whether a folded text speaks of translating, in one of the common languages.
bool speaks_of_translating(std::string_view folded);
// Whether `folded` speaks of `language` by name in one of the common languages, or of translating at all.
bool speaks_of_language(std::string_view folded, Language language);

}  // namespace lora
