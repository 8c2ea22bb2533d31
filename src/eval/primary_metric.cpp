#include "eval/primary_metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "data/json_reader.h"

namespace lora {
namespace {

constexpr size_t kMaxShortWords = 5;

bool is_json_container(std::string_view text) {
  const JsonText parsed =
      read_json(text, {.max_depth = 256, .refuse_duplicate_keys = false, .keep_places = false});
  return parsed.ok() && parsed.value.is_structured();
}

bool is_short(std::string_view text) {
  size_t words = 0;
  bool inside = false;
  for (char c : text) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space && !inside) ++words;
    inside = !space;
  }
  return words <= kMaxShortWords;
}

}  // namespace

PrimaryMetric choose_primary_metric(std::span<const std::string> reference_answers) {
  const auto n = reference_answers.size();
  if (n == 0)
    throw Error::input(
        {.where = "evaluation", .found = "there are no reference answers", .expected = "at least one"});
  const auto count = [&](bool (*is)(std::string_view)) {
    return static_cast<size_t>(std::count_if(reference_answers.begin(), reference_answers.end(),
                                             [is](const std::string& answer) { return is(answer); }));
  };
  const auto nearly_all = [&](size_t k) { return k * 20 >= n * 19; };
  const size_t json = count(is_json_container);
  if (nearly_all(json))
    return {"correct", "json_fields",
            fmt::format(
                "{} of {} reference answers are JSON, so an answer is correct when all its fields are right.",
                json, n)};
  const size_t brief = count(is_short);
  if (nearly_all(brief))
    return {
        "correct", "normalized_exact",
        fmt::format(
            "{} of {} reference answers have at most {} words, so an answer is correct when it equals the "
            "reference, case and punctuation apart.",
            brief, n, kMaxShortWords)};
  return {"format", "format",
          "The reference answers are free text, so only their format can be checked by program; whether the "
          "content is "
          "right needs a judge or people."};
}

}  // namespace lora
