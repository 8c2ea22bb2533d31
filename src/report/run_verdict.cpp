#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

struct Words {
  std::string_view kind, title;
};

Words words_of(const EvaluationRecord& evaluation) {
  if (evaluation.verdict == "won") return {"ok", "The tuned model won"};
  if (evaluation.verdict == "worse") return {"error", "The tuned model is worse"};
  if (evaluation.verdict == "prompting_suffices") return {"warning", "Prompting would have done"};
  return {"warning", evaluation.enough_examples ? "No difference was shown" : "Not enough examples to tell"};
}

std::string signed_size(double size, bool is_score) {
  return is_score ? fmt::format("{:+.3f}", size + 0.0) : fmt::format("{:+.0f} %", 100 * size + 0.0);
}

std::string test_in_words(std::string_view test) {
  if (test == "mcnemar_exact") return "exact McNemar test";
  if (test == "permutation_exact") return "exact permutation test";
  if (test == "permutation_sampled") return "permutation test, sampled";
  return std::string(test);
}

std::string smallest_in_words(const ComparisonRecord& pair) {
  return pair.smallest_detectable ? share_or_score(*pair.smallest_detectable, pair.is_score) : "none";
}

// What one comparison says, as a row of numbers.
std::string pair_row(const ComparisonRecord& pair) {
  std::string p = p_in_words(pair.p_adjusted.value_or(pair.p));
  if (pair.p_adjusted && *pair.p_adjusted != pair.p) p += " after Holm";
  if (!pair.test.empty()) p += ", " + test_in_words(pair.test);
  return fmt::format(
      "<tr><td>{} against {}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td "
      "class=\"number\">{}</td>"
      "<td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
      html_data(contestant_label(pair.a)), html_data(contestant_label(pair.b)),
      pair.difference ? signed_size(*pair.difference, pair.is_score) : "",
      pair.low && pair.high ? fmt::format("{} to {}", signed_size(*pair.low, pair.is_score),
                                          signed_size(*pair.high, pair.is_score))
                            : "",
      fmt::format("{} / {} / {}", grouped_number(pair.wins), grouped_number(pair.losses),
                  grouped_number(pair.ties)),
      html_text(p), smallest_in_words(pair));
}

std::string tiles(const EvaluationRecord& evaluation) {
  std::string out = "<dl class=\"tiles\">";
  const auto tile = [&](const std::string& name, const std::string& value, const std::string& below) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd>{}</div>", html_data(name), html_text(value),
                       below.empty() ? "" : fmt::format("<dd class=\"below\">{}</dd>", html_text(below)));
  };
  size_t n = 0;
  for (const std::string& name : evaluation.contestants) {
    const auto of = evaluation.rates.find(name);
    if (of == evaluation.rates.end() || !of->second.contains(evaluation.primary)) continue;
    const RateRecord& rate = of->second.at(evaluation.primary);
    n = std::max(n, rate.n);
    tile(contestant_label(name), share_or_score(rate.value, rate.is_score),
         fmt::format("{} to {}", share_or_score(rate.low, rate.is_score),
                     share_or_score(rate.high, rate.is_score)));
  }
  tile("held-out examples", grouped_number(n), "each asked of all");
  const ComparisonRecord* pair = evaluation.comparison("tuned", "base", evaluation.primary);
  if (pair && evaluation.decided_by.empty())  // the tests of the checks show it
    tile("smallest they can show", smallest_in_words(*pair),
         pair->smallest_detectable ? "found 4 times in 5" : "too few examples");
  return out + "</dl>";
}

std::string without_evaluation(const RunRecord& run) {
  std::string out = fmt::format("<div class=\"verdict {}\"><strong>{}</strong>", run.end ? "ok" : "warning",
                                run.end ? "Trained, not compared with its base" : "Not finished");
  if (run.end && run.end->eval_loss_first && run.end->eval_loss_best)
    out += fmt::format("<p>Held-out loss went from {:.4f} to {:.4f} at step {}, which is kept.</p>",
                       *run.end->eval_loss_first, *run.end->eval_loss_best, run.end->best_step);
  if (run.end)
    out +=
        "<p>A lower loss does not show that its answers are better: <code>lora eval</code> asks both the "
        "same held-out "
        "questions.</p>";
  else
    out += "<p>The page shows what there is so far. The same command goes on with the run.</p>";
  return out + "</div>";
}

}  // namespace

std::string p_in_words(double p) {
  return fmt::format("p = {:.2g}", p);
}

std::string share_or_score(double value, bool is_score) {
  return is_score ? fmt::format("{:.3f}", value) : percent(value);
}

std::string contestant_label(std::string_view name) {
  return name == "few_shot" ? "base with examples" : std::string(name);
}

size_t contestant_color(std::string_view name, size_t place) {
  if (name == "base") return 8;
  if (name == "few_shot") return 2;
  if (name == "tuned") return 1;
  return 3 + place % 5;
}

std::string run_verdict_html(const RunRecord& run) {
  if (!run.evaluation) return without_evaluation(run);
  const EvaluationRecord& evaluation = *run.evaluation;
  const Words words = words_of(evaluation);
  std::string out = fmt::format("<div class=\"verdict {}\"><strong>{}</strong>", words.kind, words.title);
  if (!evaluation.sentence.empty()) out += fmt::format("<p>{}</p>", html_data(evaluation.sentence));
  std::string rows;
  for (const ComparisonRecord& pair : evaluation.comparisons)
    if (pair.metric == evaluation.primary) rows += pair_row(pair);
  if (!rows.empty())
    out += fmt::format(
        "<div class=\"scroll\"><table><thead><tr><th>{} <code>{}</code></th><th "
        "class=\"number\">difference</th>"
        "<th class=\"number\">95 % interval</th><th class=\"number\">wins / losses / ties</th><th "
        "class=\"number\">test</th><th class=\"number\">smallest they can "
        "show</th></tr></thead><tbody>{}</tbody></table></div>",
        evaluation.decided_by.empty() ? "Decided by" : "Decided by the judge; beside it",
        html_text(evaluation.primary), rows);
  if (!evaluation.why_primary.empty() && evaluation.decided_by.empty())
    out += fmt::format("<p class=\"soft\">{}</p>", html_data(evaluation.why_primary));
  out += "</div>\n";
  return out + tiles(evaluation);
}

}  // namespace lora
