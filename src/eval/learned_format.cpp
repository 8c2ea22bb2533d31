#include "eval/learned_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "data/format_family.h"
#include "data/json_reader.h"
#include "data/label_counts.h"

namespace lora {
namespace {

using Test = std::function<bool(std::string_view)>;

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string_view first_word(std::string_view text) {
  text = trimmed(text);
  return text.substr(0, text.find_first_of(" \t\r\n"));
}

bool is_list(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!trimmed(line).empty() && !is_list_item(line)) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool is_one_line(std::string_view text) {
  return trimmed(text).find('\n') == std::string_view::npos;
}
bool has_fence(std::string_view text) {
  return text.find("```") != std::string_view::npos;
}
bool has_no_fence(std::string_view text) {
  return !has_fence(text);
}
bool is_json(std::string_view text) {
  const JsonText parsed =
      read_json(text, {.max_depth = 256, .refuse_duplicate_keys = false, .keep_places = false});
  return parsed.ok() && parsed.value.is_structured();
}
bool ends_a_sentence(std::string_view text) {
  text = trimmed(text);
  return !text.empty() && std::string_view(".!?").find(text.back()) != std::string_view::npos;
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "\"" : ", \"").append(name).append("\"");
  return out;
}

bool has_fields(FormatKind kind) {
  return kind == FormatKind::kJsonObject || kind == FormatKind::kJsonArray || kind == FormatKind::kKeyLines;
}

std::vector<std::string> keys_of(std::string_view answer) {
  const FormatFamily family = format_family(answer);
  std::vector<std::string> keys;
  if (has_fields(family.kind))
    for (const std::string_view key : family.shape.top_level_keys()) keys.emplace_back(key);
  return keys;  // sorted
}

// Top-level keys that nearly all answers have; empty when they are no JSON and no lines "Key: value".
std::vector<std::string> common_keys(std::span<const std::string> answers) {
  std::map<std::string, size_t> counts;
  for (const std::string& answer : answers)
    for (const std::string& key : keys_of(answer)) ++counts[key];
  std::vector<std::string> common;
  for (const auto& [key, count] : counts)
    if (count * 20 >= answers.size() * 19) common.push_back(key);
  return common;
}

// The labels that the answers choose from, those that occur more than once; empty when they do not choose.
std::vector<std::string> common_labels(std::span<const std::string> answers) {
  LabelCounts counts;
  for (const std::string& answer : answers) {
    const FormatKind kind = format_family(answer).kind;
    if (kind == FormatKind::kShortText || kind == FormatKind::kYesNo) counts.add(trimmed(answer), 0);
  }
  std::vector<std::string> labels;
  if (!counts.is_closed()) return labels;
  for (const auto& label : counts.labels())
    if (label.count > 1) labels.push_back(label.text);
  return labels;
}

FormatTrait length_trait(std::span<const std::string> answers) {
  std::vector<size_t> lengths;
  for (const std::string& answer : answers) lengths.push_back(characters(trimmed(answer)));
  std::sort(lengths.begin(), lengths.end());
  const size_t cut = lengths.size() / 40;  // 2.5 %
  const size_t low = std::max<size_t>(1, lengths[cut] / 2),
               high = std::max<size_t>(1, 2 * lengths[lengths.size() - 1 - cut]);
  return {"length", fmt::format("has {} to {} characters", low, high), [low, high](std::string_view text) {
            const size_t length = characters(trimmed(text));
            return low <= length && length <= high;
          }};
}

class FormatCheck : public Check {
 public:
  explicit FormatCheck(std::vector<FormatTrait> traits) : traits_(std::move(traits)) {}
  std::string_view name() const override { return "format"; }
  bool is_format() const override { return true; }

  CheckResult run(std::string_view answer, std::string_view) const override {
    CheckResult result;
    size_t right = 0;
    for (const FormatTrait& trait : traits_) {
      const bool holds = trait.holds(answer);
      right += holds;
      result.fields.push_back({trait.name, holds, trait.description, ""});
      if (!holds)
        result.why += (result.why.empty() ? "an answer like the training's " : "; ") + trait.description;
    }
    result.passed = right == traits_.size();
    result.score = traits_.empty() ? 1 : static_cast<double>(right) / static_cast<double>(traits_.size());
    return result;
  }

 private:
  std::vector<FormatTrait> traits_;
};

}  // namespace

std::vector<FormatTrait> learn_format(std::span<const std::string> training_answers) {
  const size_t n = training_answers.size();
  if (n == 0)
    throw Error::input(
        {.where = "evaluation", .found = "there are no training answers to learn a format from"});
  std::vector<FormatTrait> traits;
  const auto keep_if_common = [&](std::string name, std::string description, Test holds) {
    const auto count =
        static_cast<size_t>(std::count_if(training_answers.begin(), training_answers.end(),
                                          [&](const std::string& answer) { return holds(answer); }));
    if (count * 20 >= n * 19)
      traits.push_back({std::move(name),
                        fmt::format("{} ({:.0f} % do)", description,
                                    100.0 * static_cast<double>(count) / static_cast<double>(n)),
                        std::move(holds)});
  };
  keep_if_common("json", "is JSON", is_json);
  if (const std::vector<std::string> keys = common_keys(training_answers); !keys.empty())
    keep_if_common("keys", fmt::format("has the keys {}", quoted_list(keys)),
                   [keys](std::string_view text) { return std::ranges::includes(keys_of(text), keys); });
  if (const std::vector<std::string> labels = common_labels(training_answers); !labels.empty())
    keep_if_common(
        "label", fmt::format("is one of {}", quoted_list(labels)),
        [labels](std::string_view text) { return std::ranges::find(labels, trimmed(text)) != labels.end(); });
  keep_if_common("one_line", "is one line", is_one_line);
  keep_if_common("list", "is a list", is_list);
  keep_if_common("sentence_end", "ends in . ! or ?", ends_a_sentence);
  keep_if_common("fence", "has a Markdown fence", has_fence);
  keep_if_common("no_fence", "has no Markdown fence", has_no_fence);

  std::map<std::string_view, size_t> words;
  for (const std::string& answer : training_answers) ++words[first_word(answer)];
  const auto commonest = std::max_element(words.begin(), words.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool json = !traits.empty() && traits[0].name == "json";  // begins with a key: their order is free
  if (!commonest->first.empty() && !json) {
    const std::string word(commonest->first);
    keep_if_common("first_word", fmt::format("begins with {}", word),
                   [word](std::string_view text) { return first_word(text) == word; });
  }
  traits.push_back(length_trait(training_answers));
  return traits;
}

std::unique_ptr<Check> make_format_check(std::vector<FormatTrait> traits) {
  return std::make_unique<FormatCheck>(std::move(traits));
}

}  // namespace lora
