// What an answer costs, for one who asks whether the small model can replace the large one.
#include <fmt/format.h>

#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

std::string number_cell(const std::optional<double>& value, int decimals, std::string_view unit = "") {
  return fmt::format("<td class=\"number\">{}</td>",
                     value ? fmt::format("{:.{}f}{}", *value, decimals, unit) : std::string());
}

std::string seconds_cell(const std::optional<double>& seconds) {
  return number_cell(seconds, seconds && *seconds < 1 ? 3 : 2, " s");
}

// Means over the examples, for directories in which nothing is told of the contestants.
AskedRecord counted(const EvaluationRecord& evaluation, size_t contestant) {
  AskedRecord asked{.name = evaluation.contestants[contestant], .kind = {}, .source = {}};
  double prompt = 0, tokens = 0;
  size_t n = 0, known = 0;
  for (const AskedExample& example : evaluation.examples)
    if (const auto& answer = example.answers[contestant]) {
      ++n;
      prompt += static_cast<double>(answer->prompt_tokens);
      tokens += static_cast<double>(answer->tokens.value_or(0));
      known += answer->tokens.has_value();
      asked.cut_off += !answer->stopped;
    }
  if (n > 0) asked.prompt_tokens = prompt / static_cast<double>(n);
  if (n > 0 && known == n) asked.answer_tokens = tokens / static_cast<double>(n);
  return asked;
}

std::string row(const AskedRecord& asked) {
  std::string what = html_data(contestant_label(asked.name));
  if (asked.examples > 0)
    what += fmt::format(" <span class=\"soft\">{} in the prompt</span>", asked.examples);
  if (!asked.source.empty()) what += fmt::format("<br><code>{}</code>", html_data(asked.source));
  return fmt::format(
      "<tr><td>{}</td>{}{}<td class=\"number\">{}</td>{}{}{}<td class=\"number\">{}</td></tr>\n", what,
      number_cell(asked.prompt_tokens, 0), number_cell(asked.answer_tokens, 0), grouped_number(asked.cut_off),
      seconds_cell(asked.first_token_s), seconds_cell(asked.median_s), seconds_cell(asked.p95_s),
      asked.cost_per_1000 ? fmt::format("{:.4g}", *asked.cost_per_1000) : "");
}

}  // namespace

std::string costs_html(const EvaluationRecord& evaluation) {
  std::string rows;
  size_t timed = 0;
  bool endpoints = false, money = false;
  for (size_t c = 0; c < evaluation.contestants.size(); ++c) {
    const AskedRecord* known = evaluation.of(evaluation.contestants[c]);
    const AskedRecord asked = known ? *known : counted(evaluation, c);
    if (!known && !asked.prompt_tokens) continue;
    rows += row(asked);
    endpoints = endpoints || asked.kind == "endpoint";
    money = money || asked.cost_per_1000;
    if (asked.kind != "endpoint") timed = std::max(timed, asked.timed);
  }
  std::string said;
  if (timed > 0)
    said += fmt::format(
        "Times of local models are of {} questions asked once more, each alone and on this machine: from the "
        "reading of the whole prompt to the last token. All held-out answers were written many at a time, "
        "which is "
        "faster for all and slower for each. ",
        timed);
  if (endpoints)
    said +=
        "Times of endpoints are of single requests, network included, with others under way; tokens are as "
        "the "
        "server counts them. ";
  if (money)
    said += "Cost is of 1,000 answers: by price_per_hour of this machine, or by the prices of tokens. ";
  std::string missing;
  for (const LeftOutRecord& left : evaluation.left_out)
    missing += fmt::format("<li>{} was left out: {}</li>", html_data(left.name), html_data(left.why));
  if (rows.empty() && missing.empty()) return {};
  std::string head = "<th>Contestant</th>";
  for (const char* name : {"prompt tokens, mean", "answer tokens, mean", "cut off at the limit",
                           "first token, median", "answer, median", "95 % within", "cost of 1,000"})
    head += fmt::format("<th class=\"number\">{}</th>", name);
  return fmt::format(
      "<h3>What an answer costs</h3><div "
      "class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table>"
      "</div>{}{}",
      head, rows, said.empty() ? "" : fmt::format("<p class=\"soft\">{}</p>", html_text(said)),
      missing.empty() ? "" : fmt::format("<ul>{}</ul>", missing));
}

}  // namespace lora
