#include "report/example_browser.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "report/example_card.h"
#include "report/html.h"
#include "report/run_sections.h"
#include "report/text_marks.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

// A long answer is cut sooner when there are many: the page has to open.
size_t most_characters(size_t examples) {
  return examples > 1000 ? 1500 : examples > 200 ? 4000 : 20000;
}

class DataWriter {
 public:
  DataWriter(const EvaluationRecord& evaluation, size_t shown)
      : evaluation_(evaluation), shown_(shown), most_(most_characters(shown)) {}

  // The keys are short since they come back thousands of times; the script names them.
  std::string write() {
    Json contestants = Json::array(), metrics = Json::array();
    for (size_t c = 0; c < evaluation_.contestants.size(); ++c)
      contestants.push_back({{"name", visible_text(contestant_label(evaluation_.contestants[c]))},
                             {"color", contestant_color(evaluation_.contestants[c], c)},
                             {"key", visible_text(evaluation_.contestants[c])}});
    for (const MetricRecord& metric : evaluation_.metrics)
      if (is_checked(metric.name)) {
        metric_names_.push_back(metric.name);
        metrics.push_back({{"name", visible_text(metric.name)}, {"score", metric.is_score}});
      }
    Json examples = Json::array();
    for (size_t i = 0; i < shown_; ++i) examples.push_back(example_json(evaluation_.examples[i]));
    Json json;
    json["contestants"] = std::move(contestants);
    json["metrics"] = std::move(metrics);
    json["fields"] = names_of(fields_);
    json["shared"] = names_of(shared_);
    json["examples"] = std::move(examples);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  bool marks_were_left_out() const { return budget_.is_spent(); }

 private:
  bool is_checked(const std::string& metric) const {
    for (size_t i = 0; i < shown_; ++i)
      for (const auto& answer : evaluation_.examples[i].answers)
        if (answer && answer->check(metric)) return true;
    return false;
  }

  static size_t number_of(std::map<std::string, size_t>& names, const std::string& name) {
    return names.try_emplace(name, names.size()).first->second;
  }
  static Json names_of(const std::map<std::string, size_t>& names) {
    std::vector<std::string> list(names.size());
    for (const auto& [name, number] : names) list[number] = visible_text(name);
    return list;
  }

  Json text_json(const ShownText& shown) const {
    if (shown.left_out == 0) return shown.text;
    return Json::array({shown.text, shown.left_out});
  }

  Json example_json(const AskedExample& example) {
    Json turns = Json::array();
    for (const Message& message : example.question) {
      // System prompts are mostly the same: each is held once.
      const ShownText shown = shown_text(message.content, most_);
      if (message.role == "system")
        turns.push_back(Json::array({message.role, number_of(shared_, shown.text)}));
      else
        turns.push_back(Json::array({visible_text(message.role), text_json(shown)}));
    }
    const ShownText reference = shown_text(example.reference, most_);
    const auto base = evaluation_.contestant("base");
    std::string of_base;
    if (base && example.answers[*base]) of_base = shown_text(example.answers[*base]->text, most_).text;
    Json answers = Json::array();
    for (size_t c = 0; c < example.answers.size(); ++c)
      answers.push_back(example.answers[c] ? answer_json(*example.answers[c], reference.text,
                                                         base && *base != c ? &of_base : nullptr)
                                           : Json(nullptr));
    return {
        {"n", example.line}, {"q", std::move(turns)}, {"r", text_json(reference)}, {"a", std::move(answers)}};
  }

  Json answer_json(const GivenAnswer& answer, const std::string& reference, const std::string* of_base) {
    const ShownText shown = shown_text(answer.text, most_);
    Json json{{"t", text_json(shown)}};
    if (!answer.stopped) json["x"] = 1;  // cut off at the limit
    Json values = Json::array();
    std::string why;
    for (const std::string& metric : metric_names_) {
      const CheckOutcome* check = answer.check(metric);
      const MetricRecord* record = evaluation_.metric(metric);
      if (!check)
        values.push_back(nullptr);
      else if (record && record->is_score)
        values.push_back(check->score);
      else
        values.push_back(check->passed ? 1 : 0);
    }
    json["v"] = std::move(values);
    if (const CheckOutcome* check = answer.check(evaluation_.primary)) {
      if (!check->why.empty()) json["w"] = shown_text(check->why, 400).text;
      Json wrong = Json::array();
      for (const FieldOutcome& field : check->fields)
        if (!field.passed) wrong.push_back(number_of(fields_, field.name));
      if (!wrong.empty()) json["f"] = std::move(wrong);
    }
    if (auto marks = text_marks(shown.text, reference, budget_); !marks.empty())
      json["m"] = utf16_ends(shown.text, marks);
    if (of_base)
      if (auto marks = text_marks(shown.text, *of_base, budget_); !marks.empty())
        json["b"] = utf16_ends(shown.text, marks);
    return json;
  }

  const EvaluationRecord& evaluation_;
  size_t shown_, most_;
  MarkBudget budget_;
  std::vector<std::string> metric_names_;
  std::map<std::string, size_t> fields_, shared_;
};

constexpr std::string_view kControls = R"html(<div class="controls" id="example-controls">
<input id="example-search" type="search" placeholder="Search questions and answers" aria-label="Search questions and answers">
<label>Pair <select id="example-pair"></select></label>
<label>by <select id="example-metric"></select></label>
<label>Show <select id="example-outcome"></select></label>
<label id="example-field-label">Wrong field <select id="example-field"></select></label>
<label>Mark against <select id="example-mark"><option value="m">the reference</option><option value="b">the base</option><option value="">nothing</option></select></label>
<span id="example-count" class="soft" role="status"></span></div>
<div id="example-list"></div>
<nav class="controls pages" aria-label="Pages of the list"><button type="button" id="example-before">Previous</button><span id="example-page" class="soft"></span><button type="button" id="example-next">Next</button></nav>
)html";

}  // namespace

std::string example_browser_html(const EvaluationRecord& evaluation, size_t most, std::string_view file) {
  if (evaluation.examples.empty()) return {};
  const size_t shown = std::min(most, evaluation.examples.size());
  DataWriter writer(evaluation, shown);
  const std::string data = writer.write();
  std::string out;
  if (shown < evaluation.examples.size())
    out += fmt::format(
        "<p class=\"soft\">The page holds the first {} of {} examples; the other {} are in "
        "<code>{}</code>.</p>",
        grouped_number(shown), grouped_number(evaluation.examples.size()),
        grouped_number(evaluation.examples.size() - shown), html_text(file));
  if (writer.marks_were_left_out())
    out += "<p class=\"soft\">The answers are long: differences are marked in the first of them only.</p>";
  out += fmt::format(
      "<noscript><p>The list needs JavaScript. All examples are in <code>{}</code>.</p></noscript>\n",
      html_text(file));
  out += kControls;
  return out + "<script type=\"application/json\" id=\"example-data\">" + script_json(data) + "</script>";
}

}  // namespace lora
