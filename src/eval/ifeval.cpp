// The 25 kinds of verifiable instructions of IFEval (Zhou et al. 2023, arXiv 2311.07911), with the names and arguments of
// the paper's registry, so that a declared check judges an answer as that benchmark does. Where the benchmark uses
// libraries, this differs: sentences are told by punctuation (not by NLTK's Punkt), words in capitals by white space and
// punctuation, languages by data/language.h. Blank answers fail every instruction.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "data/json_reader.h"
#include "data/language.h"
#include "data/plain_text.h"
#include "eval/check_types.h"
#include "eval/ifeval_counts.h"
#include "eval/pattern.h"

namespace lora {
namespace {

using std::filesystem::path;
using Text = std::string_view;
// Whether an answer (not blank) to a prompt follows an instruction.
using Follows = std::function<bool(Text answer, Text prompt)>;

class Instruction : public Check {
 public:
  Instruction(std::string name, Follows follows) : name_(std::move(name)), follows_(std::move(follows)) {}
  Text name() const override { return name_; }
  bool is_format() const override { return true; }
  CheckResult run(Text answer, Text reference) const override { return run_on({answer, reference, {}}); }
  CheckResult run_on(const CheckInput& input) const override {
    if (trimmed_text(input.answer).empty()) return check_failed("the answer is blank");
    return check_that(follows_(input.answer, input.prompt), "the instruction is not followed");
  }

 private:
  std::string name_;
  Follows follows_;
};

AnswerPattern pattern(Text text, bool ignore_case = false, bool multiline = false) {
  return AnswerPattern(text, {.ignore_case = ignore_case, .multiline = multiline}, "ifeval");
}
std::shared_ptr<AnswerPattern> shared(Text text, bool ignore_case = false, bool multiline = false) {
  return std::make_shared<AnswerPattern>(pattern(text, ignore_case, multiline));
}

std::vector<std::string> matches(const AnswerPattern& pattern, Text text) {
  std::vector<std::string> found;
  pattern.for_each(text,
                   [&](size_t begin, size_t end) { found.emplace_back(text.substr(begin, end - begin)); });
  return found;
}

std::vector<Text> split(Text text, Text mark) {
  std::vector<Text> parts;
  for (size_t at; (at = text.find(mark)) != Text::npos; text.remove_prefix(at + mark.size()))
    parts.push_back(text.substr(0, at));
  parts.push_back(text);
  return parts;
}

// "less than" or "at least" a number.
std::function<bool(size_t)> relation(DeclaredOptions& options, const std::string& key,
                                     const std::string& number) {
  const bool less = options.one_of(key, {"less than", "at least"}, "at least") == "less than";
  const size_t threshold = options.required_count(number);
  return [=](size_t count) { return less ? count < threshold : count >= threshold; };
}

Follows keyword_existence(DeclaredOptions& options) {
  std::vector<std::shared_ptr<AnswerPattern>> words;
  for (const std::string& word : options.texts("keywords"))
    words.push_back(shared(escaped_pattern(word), true));
  return [words](Text answer, Text) {
    return std::all_of(words.begin(), words.end(),
                       [&](const auto& word) { return word->search(answer) == Matched::kYes; });
  };
}

Follows keyword_frequency(DeclaredOptions& options) {
  const std::string keyword(trimmed_text(options.text("keyword")));
  if (keyword.empty()) options.refuse("keyword", "is empty", "a word");
  return [word = shared(escaped_pattern(keyword), true), holds = relation(options, "relation", "frequency")](
             Text answer, Text) {
    const size_t count = word->count(answer);
    return count != SIZE_MAX && holds(count);
  };
}

Follows forbidden_words(DeclaredOptions& options) {
  std::vector<std::shared_ptr<AnswerPattern>> words;
  for (const std::string& word : options.texts("forbidden_words"))
    words.push_back(shared("\\b" + escaped_pattern(word) + "\\b", true));
  return [words](Text answer, Text) {
    return std::all_of(words.begin(), words.end(),
                       [&](const auto& word) { return word->search(answer) == Matched::kNo; });
  };
}

Follows letter_frequency(DeclaredOptions& options) {
  const std::string letter = options.text("letter");
  if (letter.size() != 1 || !is_ascii_letter(letter[0]))
    options.refuse("letter", "is \"" + letter + "\"", "one letter from a to z");
  const char small = static_cast<char>(letter[0] | 0x20);
  return [small, holds = relation(options, "let_relation", "let_frequency")](Text answer, Text) {
    return holds(static_cast<size_t>(std::count_if(
        answer.begin(), answer.end(), [&](char c) { return is_ascii_letter(c) && (c | 0x20) == small; })));
  };
}

const std::map<Text, Language>& language_codes() {
  static const std::map<Text, Language> codes{
      {"en", Language::kEnglish},   {"de", Language::kGerman},     {"fr", Language::kFrench},
      {"es", Language::kSpanish},   {"pt", Language::kPortuguese}, {"it", Language::kItalian},
      {"nl", Language::kDutch},     {"sv", Language::kSwedish},    {"da", Language::kDanish},
      {"no", Language::kNorwegian}, {"fi", Language::kFinnish},    {"pl", Language::kPolish},
      {"cs", Language::kCzech},     {"ro", Language::kRomanian},   {"hu", Language::kHungarian},
      {"tr", Language::kTurkish},   {"id", Language::kIndonesian}, {"vi", Language::kVietnamese},
      {"ru", Language::kRussian},   {"uk", Language::kUkrainian},  {"bg", Language::kBulgarian},
      {"el", Language::kGreek},     {"ar", Language::kArabic},     {"fa", Language::kPersian},
      {"he", Language::kHebrew},    {"hi", Language::kHindi},      {"bn", Language::kBengali},
      {"ta", Language::kTamil},     {"th", Language::kThai},       {"ko", Language::kKorean},
      {"ja", Language::kJapanese},  {"zh", Language::kChinese}};
  return codes;
}

Follows response_language(DeclaredOptions& options) {
  const std::string code = options.text("language");
  const auto found = language_codes().find(code);
  if (found == language_codes().end()) {
    std::vector<Text> codes;
    for (const auto& [known, language] : language_codes()) codes.push_back(known);
    options.refuse("language", "is \"" + code + "\"", fmt::format("one of {}", fmt::join(codes, ", ")));
  }
  return [language = found->second](Text answer, Text) {
    const Language got = guess_language(answer);
    return got != Language::kUnknown && may_be_same(got, language);
  };
}

Follows number_sentences(DeclaredOptions& options) {
  return [holds = relation(options, "relation", "num_sentences")](Text answer, Text) {
    return holds(count_sentences(answer));
  };
}

// Paragraphs are parted by "***"; the outer ones may be blank.
Follows number_paragraphs(DeclaredOptions& options) {
  return [wanted = options.required_count("num_paragraphs")](Text answer, Text) {
    const std::vector<Text> parts = split(answer, "***");
    size_t count = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!trimmed_text(parts[i]).empty())
        ++count;
      else if (i != 0 && i + 1 != parts.size())
        return false;
    }
    return count == wanted;
  };
}

Follows number_words(DeclaredOptions& options) {
  return [word = shared("\\w+"), holds = relation(options, "relation", "num_words")](Text answer, Text) {
    const size_t count = word->count(answer);
    return count != SIZE_MAX && holds(count);
  };
}

// The first word of a paragraph, in small letters, up to its punctuation.
std::string first_word_of(Text paragraph) {
  const auto words = space_words(paragraph);
  Text word = words.empty() ? Text() : words[0];
  while (word.starts_with('\'')) word.remove_prefix(1);
  while (word.starts_with('"')) word.remove_prefix(1);
  return folded_text(word.substr(0, word.find_first_of(".,?!'\"")));
}

// Paragraphs are parted by a blank line; blank ones do not count, but hold their place.
Follows nth_paragraph_first_word(DeclaredOptions& options) {
  const size_t wanted = options.required_count("num_paragraphs"),
               nth = options.required_count("nth_paragraph");
  const std::string first_word = folded_text(options.text("first_word"));
  if (nth < 1 || nth > wanted)
    options.refuse("nth_paragraph", fmt::format("is {}", nth), "from 1 to num_paragraphs");
  return [=](Text answer, Text) {
    const std::vector<Text> parts = split(answer, "\n\n");
    const auto count = static_cast<size_t>(
        std::count_if(parts.begin(), parts.end(), [](Text part) { return !trimmed_text(part).empty(); }));
    return count == wanted && nth <= parts.size() && !trimmed_text(parts[nth - 1]).empty() &&
           first_word_of(parts[nth - 1]) == first_word;
  };
}

Follows number_placeholders(DeclaredOptions& options) {
  return
      [wanted = options.required_count("num_placeholders"), mark = shared("\\[.*?\\]")](Text answer, Text) {
        const size_t count = mark->count(answer);
        return count != SIZE_MAX && count >= wanted;
      };
}

Follows postscript(DeclaredOptions& options) {
  const std::string marker(trimmed_text(options.text("postscript_marker")));
  if (marker.empty()) options.refuse("postscript_marker", "is empty", "\"P.S.\" or another mark");
  const std::string text = marker == "P.P.S"  ? "p\\.\\s?p\\.\\s?s"
                           : marker == "P.S." ? "p\\.\\s?s\\."
                                              : escaped_pattern(marker);
  return [mark = shared(text, true)](Text answer, Text) { return mark->search(answer) == Matched::kYes; };
}

Follows number_bullet_lists(DeclaredOptions& options) {
  return [wanted = options.required_count("num_bullets"), stars = shared("^\\s*\\*[^\\*].*$", false, true),
          dashes = shared("^\\s*-.*$", false, true)](Text answer, Text) {
    const size_t a = stars->count(answer), b = dashes->count(answer);
    return a != SIZE_MAX && b != SIZE_MAX && a + b == wanted;
  };
}

Follows constrained_response(DeclaredOptions& options) {
  const std::vector<std::string> allowed =
      options.has("options")
          ? options.texts("options")
          : std::vector<std::string>{"My answer is yes.", "My answer is no.", "My answer is maybe."};
  options.any("options");
  return [=](Text answer, Text) {
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& text) { return answer.find(text) != Text::npos; });
  };
}

// *one* and **two** each count, as the benchmark counts them.
Follows number_highlighted_sections(DeclaredOptions& options) {
  return [wanted = options.required_count("num_highlights"), single = shared("\\*[^\\n\\*]*\\*"),
          twice = shared("\\*\\*[^\\n\\*]*\\*\\*")](Text answer, Text) {
    size_t count = 0;
    for (const auto& kind : {single, twice})
      for (const std::string& found : matches(*kind, answer))
        count += found.find_first_not_of("* \t\r\n\f\v") != std::string::npos;
    return count >= wanted;
  };
}

Follows multiple_sections(DeclaredOptions& options) {
  const std::string splitter(trimmed_text(options.text("section_spliter")));
  if (splitter.empty()) options.refuse("section_spliter", "is empty", "\"Section\" or another word");
  return [wanted = options.required_count("num_sections"),
          mark = shared("\\s?" + escaped_pattern(splitter) + "\\s?\\d+\\s?")](Text answer, Text) {
    const size_t count = mark->count(answer);
    return count != SIZE_MAX && count >= wanted;
  };
}

Follows json_format(DeclaredOptions&) {
  return [](Text answer, Text) {
    Text text = trimmed(answer);
    for (const Text fence : {"```json", "```Json", "```JSON", "```"})
      if (text.starts_with(fence)) text.remove_prefix(fence.size());
    if (text.ends_with("```")) text.remove_suffix(3);
    return read_json(trimmed(text), {.max_depth = 256, .refuse_duplicate_keys = false, .keep_places = false})
        .ok();
  };
}

Follows title(DeclaredOptions&) {
  return [mark = shared("<<[^\\n]+>>")](Text answer, Text) {
    for (const std::string& found : matches(*mark, answer)) {
      const size_t begin = found.find_first_not_of('<'), end = found.find_last_not_of('>');
      if (begin <= end && begin != std::string::npos && end != std::string::npos &&
          !trimmed_text(Text(found).substr(begin, end - begin + 1)).empty())
        return true;
    }
    return false;
  };
}

Follows two_responses(DeclaredOptions&) {
  return [](Text answer, Text) {
    const std::vector<Text> parts = split(answer, "******");
    std::vector<Text> filled;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!trimmed_text(parts[i]).empty())
        filled.push_back(trimmed_text(parts[i]));
      else if (i != 0 && i + 1 != parts.size())
        return false;
    }
    return filled.size() == 2 && filled[0] != filled[1];
  };
}

// Without prompt_to_repeat it is the row's own prompt.
Follows repeat_prompt(DeclaredOptions& options) {
  return [given = options.text_or("prompt_to_repeat", "")](Text answer, Text prompt) {
    const std::string wanted = folded_text(trimmed_text(given.empty() ? prompt : Text(given)));
    return !wanted.empty() && folded_text(trimmed_text(answer)).starts_with(wanted);
  };
}

Follows end_checker(DeclaredOptions& options) {
  const std::string phrase = folded_text(trimmed_text(options.text("end_phrase")));
  if (phrase.empty()) options.refuse("end_phrase", "is empty", "the words that the answer must end with");
  return [phrase](Text answer, Text) {
    Text text = trimmed_text(answer);
    while (text.ends_with('"')) text.remove_suffix(1);
    return folded_text(text).ends_with(phrase);
  };
}

Follows capital_word_frequency(DeclaredOptions& options) {
  return [holds = relation(options, "capital_relation", "capital_frequency")](Text answer, Text) {
    return holds(count_capital_words(answer));
  };
}

// English, and no letter of the other case.
Follows english_in_case(bool capital) {
  return [wanted = shared(capital ? "\\p{Lu}" : "\\p{Ll}"),
          other = shared(capital ? "[\\p{Ll}\\p{Lt}]" : "[\\p{Lu}\\p{Lt}]")](Text answer, Text) {
    if (wanted->search(answer) != Matched::kYes || other->search(answer) != Matched::kNo) return false;
    const Language language = guess_language(folded_text(answer));
    return language == Language::kUnknown || language == Language::kEnglish;
  };
}

Follows no_comma(DeclaredOptions&) {
  return [](Text answer, Text) { return answer.find(',') == Text::npos; };
}

Follows quotation(DeclaredOptions&) {
  return [](Text answer, Text) {
    const Text text = trimmed_text(answer);
    return text.size() > 1 && text.front() == '"' && text.back() == '"';
  };
}

}  // namespace

std::vector<CheckType> ifeval_check_types() {
  const auto type = [](const char* name, std::function<Follows(DeclaredOptions&)> make) {
    return CheckType{name, [name, make = std::move(make)](DeclaredOptions& options, const path&) {
                       return std::make_unique<Instruction>(name, make(options));
                     }};
  };
  return {type("keywords:existence", keyword_existence),
          type("keywords:frequency", keyword_frequency),
          type("keywords:forbidden_words", forbidden_words),
          type("keywords:letter_frequency", letter_frequency),
          type("language:response_language", response_language),
          type("length_constraints:number_sentences", number_sentences),
          type("length_constraints:number_paragraphs", number_paragraphs),
          type("length_constraints:number_words", number_words),
          type("length_constraints:nth_paragraph_first_word", nth_paragraph_first_word),
          type("detectable_content:number_placeholders", number_placeholders),
          type("detectable_content:postscript", postscript),
          type("detectable_format:number_bullet_lists", number_bullet_lists),
          type("detectable_format:constrained_response", constrained_response),
          type("detectable_format:number_highlighted_sections", number_highlighted_sections),
          type("detectable_format:multiple_sections", multiple_sections),
          type("detectable_format:json_format", json_format),
          type("detectable_format:title", title),
          type("combination:two_responses", two_responses),
          type("combination:repeat_prompt", repeat_prompt),
          type("startend:end_checker", end_checker),
          type("startend:quotation", quotation),
          type("change_case:capital_word_frequency", capital_word_frequency),
          type("change_case:english_capital", [](DeclaredOptions&) { return english_in_case(true); }),
          type("change_case:english_lowercase", [](DeclaredOptions&) { return english_in_case(false); }),
          type("punctuation:no_comma", no_comma)};
}

}  // namespace lora
