#include "report/example_card.h"

#include <fmt/format.h>

#include "data/plain_text.h"
#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

constexpr size_t kMostCharacters = 4000;

std::string text_block(std::string_view text, const std::vector<TextMark>& marks, size_t left_out) {
  std::string out =
      fmt::format("<div class=\"text\" dir=\"auto\">{}</div>",
                  text.empty() ? "<span class=\"soft\">(nothing)</span>" : marked_html(text, marks));
  if (left_out > 0)
    out += fmt::format("<p class=\"soft\">… {} more characters are in answers.jsonl</p>",
                       grouped_number(left_out));
  return out;
}

std::string outcome_tag(const EvaluationRecord& evaluation, const GivenAnswer& answer) {
  const CheckOutcome* check = answer.check(evaluation.primary);
  if (!check) return {};
  const MetricRecord* metric = evaluation.metric(evaluation.primary);
  if (metric && metric->is_score) return fmt::format("<span class=\"tag note\">{:.2f}</span>", check->score);
  return check->passed ? "<span class=\"tag ok\">right</span>" : "<span class=\"tag error\">wrong</span>";
}

}  // namespace

ShownText shown_text(std::string_view text, size_t most_characters) {
  std::string visible = visible_text(text);
  if (visible.size() <= most_characters) return {std::move(visible), 0};
  const size_t all = character_count(visible);
  if (all <= most_characters) return {std::move(visible), 0};
  size_t bytes = 0;
  for (size_t i = 0; i < most_characters; ++i) {
    ++bytes;
    while (bytes < visible.size() && (static_cast<unsigned char>(visible[bytes]) & 0xC0) == 0x80) ++bytes;
  }
  visible.resize(bytes);
  return {std::move(visible), all - most_characters};
}

std::string_view asked(const AskedExample& example) {
  for (size_t i = example.question.size(); i-- > 0;)
    if (example.question[i].role == "user") return example.question[i].content;
  return {};
}

std::string example_card_html(const EvaluationRecord& evaluation, const AskedExample& example,
                              MarkBudget& budget) {
  std::string out = fmt::format("<article class=\"example\"><h4>Line {}</h4>", example.line);
  const ShownText question = shown_text(asked(example), kMostCharacters);
  if (!question.text.empty())
    out += "<div class=\"question\">" + text_block(question.text, {}, question.left_out) + "</div>";
  const ShownText reference = shown_text(example.reference, kMostCharacters);
  out += "<div class=\"sides\"><div class=\"side reference\"><h5>reference</h5>" +
         text_block(reference.text, {}, reference.left_out) + "</div>";
  for (size_t c = 0; c < example.answers.size(); ++c) {
    if (!example.answers[c]) continue;
    const GivenAnswer& answer = *example.answers[c];
    const ShownText shown = shown_text(answer.text, kMostCharacters);
    out +=
        fmt::format("<div class=\"side c{}\"><h5>{} {}</h5>", contestant_color(evaluation.contestants[c], c),
                    html_data(contestant_label(evaluation.contestants[c])), outcome_tag(evaluation, answer));
    out += text_block(shown.text, text_marks(shown.text, reference.text, budget), shown.left_out);
    const CheckOutcome* check = answer.check(evaluation.primary);
    if (check && !check->why.empty()) out += fmt::format("<p class=\"why\">{}</p>", html_data(check->why));
    out += "</div>";
  }
  return out + "</div></article>\n";
}

std::string wins_and_losses_html(const EvaluationRecord& evaluation, size_t most) {
  const auto tuned = evaluation.contestant("tuned"), base = evaluation.contestant("base");
  if (!tuned || !base || evaluation.examples.empty()) return {};
  std::vector<const AskedExample*> wins, losses;
  for (const AskedExample& example : evaluation.examples) {
    const auto& a = example.answers[*tuned];
    const auto& b = example.answers[*base];
    const CheckOutcome* of_a = a ? a->check(evaluation.primary) : nullptr;
    const CheckOutcome* of_b = b ? b->check(evaluation.primary) : nullptr;
    if (!of_a || !of_b) continue;
    const MetricRecord* metric = evaluation.metric(evaluation.primary);
    const bool is_score = metric && metric->is_score;
    const double value_a = is_score ? of_a->score : of_a->passed,
                 value_b = is_score ? of_b->score : of_b->passed;
    if (value_a > value_b) wins.push_back(&example);
    if (value_a < value_b) losses.push_back(&example);
  }
  MarkBudget budget;
  const auto part = [&](const std::vector<const AskedExample*>& examples, std::string_view title) {
    std::string out = fmt::format("<h3>{}: {}</h3>", title, grouped_number(examples.size()));
    if (examples.empty()) return out + "<p class=\"soft\">None.</p>";
    for (size_t i = 0; i < std::min(most, examples.size()); ++i)
      out += example_card_html(evaluation, *examples[i], budget);
    if (examples.size() > most)
      out += fmt::format("<p class=\"soft\">The first {} are shown. All are among the examples below.</p>",
                         most);
    return out;
  };
  return part(losses, "Losses, where the base is right and the tuned model is wrong") +
         part(wins, "Wins, where the tuned model is right and the base is wrong");
}

std::string example_list_html(const EvaluationRecord& evaluation, size_t most) {
  MarkBudget budget;
  std::string out;
  for (size_t i = 0; i < std::min(most, evaluation.examples.size()); ++i)
    out += example_card_html(evaluation, evaluation.examples[i], budget);
  if (evaluation.examples.size() > most)
    out += fmt::format("<p class=\"soft\">{} more are in answers.jsonl.</p>",
                       grouped_number(evaluation.examples.size() - most));
  return out;
}

}  // namespace lora
