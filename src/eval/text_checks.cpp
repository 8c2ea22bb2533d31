// Declared checks of plain text: equality, patterns, parts, lengths, lines, ends, language.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/nearest_word.h"
#include "data/language.h"
#include "data/plain_text.h"
#include "eval/check_types.h"
#include "eval/pattern.h"

namespace lora {
namespace {

using std::filesystem::path;

// A check of form that is a function of the answer: "" when it passes, else why it does not.
class FormCheck : public Check {
 public:
  FormCheck(std::string name, std::function<std::string(std::string_view)> why_not)
      : name_(std::move(name)), why_not_(std::move(why_not)) {}
  std::string_view name() const override { return name_; }
  bool is_format() const override { return true; }
  CheckResult run(std::string_view answer, std::string_view) const override {
    std::string why = why_not_(answer);
    return why.empty() ? check_passed() : check_failed(std::move(why));
  }

 private:
  std::string name_;
  std::function<std::string(std::string_view)> why_not_;
};

std::unique_ptr<Check> form(std::string name, std::function<std::string(std::string_view)> why_not) {
  return std::make_unique<FormCheck>(std::move(name), std::move(why_not));
}

// min, max and exactly, of which at least one is given.
struct Bounds {
  std::optional<size_t> least, most;
  std::string why_not(size_t count, std::string_view unit) const {
    if (least && most && *least == *most && count != *least)
      return fmt::format("{} {}, not {}", count, unit, *least);
    if (least && count < *least) return fmt::format("{} {}, fewer than {}", count, unit, *least);
    if (most && count > *most) return fmt::format("{} {}, more than {}", count, unit, *most);
    return "";
  }
};

Bounds read_bounds(DeclaredOptions& options) {
  Bounds bounds{options.count("min"), options.count("max")};
  const auto exactly = options.count("exactly");
  if (exactly && (bounds.least || bounds.most))
    options.refuse("exactly", "stands beside min or max", "one of them");
  if (exactly) bounds = {exactly, exactly};
  if (!bounds.least && !bounds.most)
    options.refuse("type", "needs min, max or exactly", "at least one of them");
  if (bounds.least && bounds.most && *bounds.least > *bounds.most)
    options.refuse("min", fmt::format("is {}, above max", *bounds.least), "min at most max");
  return bounds;
}

std::unique_ptr<Check> make_regex(DeclaredOptions& options, const path&) {
  const std::string pattern = options.text("pattern");
  const bool wanted = options.flag_or("match", true);
  const auto compiled =
      std::make_shared<AnswerPattern>(pattern,
                                      PatternOptions{.ignore_case = options.flag_or("ignore_case", false),
                                                     .multiline = options.flag_or("multiline", false),
                                                     .dot_all = options.flag_or("dot_all", false),
                                                     .whole = options.flag_or("whole", false)},
                                      options.place("pattern"));
  return form("regex", [=](std::string_view answer) -> std::string {
    switch (compiled->search(trimmed(answer))) {
      case Matched::kGaveUp:
        return "matching took too many steps, so it counts as failed";
      case Matched::kYes:
        return wanted ? "" : "matches the pattern";
      case Matched::kNo:
        break;
    }
    return wanted ? "does not match the pattern" : "";
  });
}

// contains, lacks: `texts`, as parts or whole words, with case or without.
std::function<bool(std::string_view, const std::string&)> finder(DeclaredOptions& options) {
  const bool ignore_case = options.flag_or("ignore_case", false), words = options.flag_or("words", false);
  return [=](std::string_view answer, const std::string& part) {
    const std::string text = ignore_case ? folded_text(answer) : std::string(answer);
    const std::string wanted = ignore_case ? folded_text(part) : part;
    return words ? contains_word(text, wanted) : text.find(wanted) != std::string::npos;
  };
}

std::unique_ptr<Check> make_contains(DeclaredOptions& options, const path&) {
  const std::vector<std::string> texts = options.texts("text");
  const bool any = options.flag_or("any", false);
  return form("contains", [texts, any, has = finder(options)](std::string_view answer) -> std::string {
    std::string missing;
    size_t count = 0;
    for (const std::string& text : texts)
      if (has(answer, text))
        ++count;
      else
        missing += (missing.empty() ? "\"" : ", \"") + text + "\"";
    return missing.empty() || (any && count > 0) ? "" : "does not contain " + missing;
  });
}

std::unique_ptr<Check> make_lacks(DeclaredOptions& options, const path&) {
  const std::vector<std::string> texts = options.texts("text");
  return form("lacks", [texts, has = finder(options)](std::string_view answer) -> std::string {
    for (const std::string& text : texts)
      if (has(answer, text)) return fmt::format("contains \"{}\"", text);
    return "";
  });
}

std::unique_ptr<Check> make_length(DeclaredOptions& options, const path&) {
  const bool words = options.one_of("unit", {"words", "characters"}, "words") == "words";
  return form("length", [words, bounds = read_bounds(options)](std::string_view answer) {
    const std::string_view text = trimmed_text(answer);
    return words ? bounds.why_not(space_words(text).size(), "words")
                 : bounds.why_not(character_count(text), "characters");
  });
}

size_t filled_lines(std::string_view answer, bool (*counts)(std::string_view)) {
  size_t count = 0;
  for (const std::string_view line : lines_of(answer)) count += counts(trimmed_text(line));
  return count;
}

std::unique_ptr<Check> make_lines(DeclaredOptions& options, const path&) {
  return form("lines", [bounds = read_bounds(options)](std::string_view answer) {
    return bounds.why_not(filled_lines(answer, [](std::string_view line) { return !line.empty(); }), "lines");
  });
}

std::unique_ptr<Check> make_bullets(DeclaredOptions& options, const path&) {
  const bool only = options.flag_or("only", false);
  return form("bullets", [only, bounds = read_bounds(options)](std::string_view answer) -> std::string {
    const size_t count = filled_lines(answer, is_list_item);
    if (only && count < filled_lines(answer, [](std::string_view line) { return !line.empty(); }))
      return "there is text beside the list";
    return bounds.why_not(count, "list items");
  });
}

std::unique_ptr<Check> make_end(DeclaredOptions& options, bool start) {
  const std::vector<std::string> texts = options.texts("text");
  const bool ignore_case = options.flag_or("ignore_case", false);
  return form(start ? "starts_with" : "ends_with", [=](std::string_view answer) -> std::string {
    const std::string_view kept = trimmed_text(answer);
    const std::string text = ignore_case ? folded_text(kept) : std::string(kept);
    for (const std::string& part : texts) {
      const std::string wanted = ignore_case ? folded_text(part) : part;
      if (start ? text.starts_with(wanted) : text.ends_with(wanted)) return "";
    }
    return start ? "begins otherwise" : "ends otherwise";
  });
}

std::unique_ptr<Check> make_language(DeclaredOptions& options, const path&) {
  const std::string name = options.text("language");
  for (size_t i = 1; i < kLanguages; ++i) {
    const auto language = static_cast<Language>(i);
    if (folded_text(language_name(language)) != folded_text(name)) continue;
    return form("language", [language](std::string_view answer) -> std::string {
      const Language got = guess_language(answer);
      if (got == Language::kUnknown) return "the language cannot be told";  // never a pass by accident
      return may_be_same(got, language) ? "" : fmt::format("is {}", language_name(got));
    });
  }
  std::vector<std::string_view> names;
  for (size_t i = 1; i < kLanguages; ++i) names.push_back(language_name(static_cast<Language>(i)));
  options.refuse("language", fmt::format("is \"{}\"", name),
                 fmt::format("one of {}", fmt::join(names, ", ")));
}

}  // namespace

std::vector<CheckType> text_check_types() {
  const auto plain = [](const char* name) {
    return CheckType{name, [name](DeclaredOptions&, const path&) { return make_check(name); }};
  };
  return {plain("exact"),
          plain("normalized_exact"),
          {"regex", make_regex},
          {"contains", make_contains},
          {"lacks", make_lacks},
          {"length", make_length},
          {"lines", make_lines},
          {"bullets", make_bullets},
          {"starts_with", [](DeclaredOptions& options, const path&) { return make_end(options, true); }},
          {"ends_with", [](DeclaredOptions& options, const path&) { return make_end(options, false); }},
          {"language", make_language}};
}

}  // namespace lora
