#include "report/check_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "data/plain_text.h"
#include "eval/statistics.h"
#include "report/charts.h"
#include "report/html.h"
#include "report/near_groups_html.h"

namespace lora {
namespace {

// Search and filters over the rows of the table that stand in the page.
constexpr std::string_view kScript = R"js(
(function(){var d=document,t=d.getElementById('finding-rows');if(!t)return;d.documentElement.classList.add('js');
var q=d.getElementById('search'),c=d.getElementById('code'),n=d.getElementById('shown'),b=[].slice.call(d.querySelectorAll('.controls input[type=checkbox]')),
rows=[].slice.call(t.rows).map(function(r){return{r:r,s:r.dataset.s,c:r.dataset.c,t:r.textContent.toLowerCase()}});
function show(){var words=q.value.toLowerCase().split(/\s+/).filter(Boolean),on={},k=0;b.forEach(function(x){on[x.value]=x.checked});
rows.forEach(function(x){var y=on[x.s]&&(!c.value||c.value===x.c)&&words.every(function(w){return x.t.indexOf(w)>=0});x.r.hidden=!y;k+=y?1:0});
n.textContent=k===rows.length?rows.length+' shown':k+' of '+rows.length+' shown'}
q.addEventListener('input',show);c.addEventListener('change',show);b.forEach(function(x){x.addEventListener('change',show)});show()})();
)js";

std::string plural(size_t n, std::string_view one) {
  return fmt::format("{} {}{}", grouped_number(n), one, n == 1 ? "" : "s");
}

size_t count_of(const std::vector<Finding>& findings, Severity severity) {
  return static_cast<size_t>(std::ranges::count(findings, severity, &Finding::severity));
}

std::string verdict(const CheckPage& page) {
  const size_t errors = count_of(page.findings, Severity::kError),
               warnings = count_of(page.findings, Severity::kWarning),
               notes = count_of(page.findings, Severity::kNote);
  const std::string_view kind = errors > 0 ? "error" : warnings > 0 ? "warning" : "ok";
  const std::string words = errors > 0     ? "Not fit to train on yet"
                            : warnings > 0 ? "Fit to train on, with something to look at"
                                           : "Fit to train on";
  std::string out = fmt::format(
      "<div class=\"verdict {}\" role=\"status\"><strong>{}</strong><p><span class=\"tag error\">{}</span> "
      "<span class=\"tag warning\">{}</span> "
      "<span class=\"tag note\">{}</span></p>",
      kind, words, plural(errors, "error"), plural(warnings, "warning"), plural(notes, "note"));
  if (errors > 0) out += "<p>Each error stands for a row that would fail or teach something wrong.</p>";
  out += "</div>\n<dl class=\"tiles\">";
  const DataSummary& d = page.data;
  const auto tile = [&](std::string_view name, const std::string& value) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, html_text(value));
  };
  tile("rows", grouped_number(d.rows));
  tile("answers", grouped_number(d.answers));
  tile(d.tokens_estimated ? "tokens (estimated)" : "tokens", grouped_number(d.tokens));
  tile("system prompts", grouped_number(d.different_prompts));
  tile("answers that say no",
       d.answers == 0 ? "0" : percent(static_cast<double>(d.negative) / static_cast<double>(d.answers)));
  return out + "</dl>";
}

std::string by_code(const std::vector<Finding>& findings) {
  std::map<std::string_view, size_t> counts;
  std::map<std::string_view, Severity> worst;
  for (const Finding& f : findings) {
    ++counts[f.code];
    const auto [at, is_new] = worst.try_emplace(f.code, f.severity);
    if (!is_new) at->second = std::min(at->second, f.severity);
  }
  std::string out =
      "<table><thead><tr><th>Code</th><th class=\"number\">Findings</th><th>Meaning</th></tr></thead><tbody>";
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote})
    for (const FindingCode& code : finding_codes())
      if (counts.contains(code.code) && worst[code.code] == severity)
        out += fmt::format(
            "<tr><td><code>{}</code> <span class=\"tag {}\">{}</span></td><td "
            "class=\"number\">{}</td><td>{}</td></tr>",
            html_text(code.code), severity_name(severity), severity_name(severity),
            grouped_number(counts[code.code]), html_text(code.meaning));
  return out + "</tbody></table>";
}

std::string findings_table(const CheckPage& page) {
  if (page.findings.empty()) return "<p>None.</p>";
  std::vector<const Finding*> order;
  for (const Finding& f : page.findings) order.push_back(&f);
  std::stable_sort(order.begin(), order.end(),
                   [](const Finding* a, const Finding* b) { return a->severity < b->severity; });
  const size_t shown = std::min(order.size(), page.most_findings);
  std::map<std::string_view, size_t> codes;
  for (size_t i = 0; i < shown; ++i) ++codes[order[i]->code];
  std::string out = by_code(page.findings);
  out +=
      "<h3>One by one</h3><div class=\"controls\"><input id=\"search\" type=\"search\" placeholder=\"Search "
      "the findings\" aria-label=\"Search the findings\">";
  out += "<select id=\"code\" aria-label=\"Code\"><option value=\"\">all codes</option>";
  for (const auto& [code, n] : codes)
    out += fmt::format("<option value=\"{0}\">{0} ({1})</option>", html_text(code), n);
  out += "</select>";
  for (const std::string_view severity : {"error", "warning", "note"})
    out += fmt::format("<label><input type=\"checkbox\" value=\"{0}\" checked> {0}s</label>", severity);
  out += "<span id=\"shown\" class=\"soft\" role=\"status\"></span></div>\n";
  if (shown < order.size())
    out += fmt::format(
        "<p class=\"soft\">The table holds {} of {} findings, errors first. <code>lora check --format "
        "json</code> lists all.</p>",
        grouped_number(shown), grouped_number(order.size()));
  out +=
      "<table class=\"stack\"><thead><tr><th>Line</th><th>Severity</th><th>Code</th><th>What and how to mend "
      "it</th></tr></thead><tbody id=\"finding-rows\">\n";
  for (size_t i = 0; i < shown; ++i) {
    const Finding& f = *order[i];
    const std::string_view severity = severity_name(f.severity);
    out += fmt::format(
        "<tr data-s=\"{0}\" data-c=\"{1}\"><td class=\"place\">{2}:{3}</td><td><span class=\"tag "
        "{0}\">{0}</span></td><td><code>{1}</code></td>"
        "<td class=\"wide\">{4}<span class=\"fix\">{5}</span></td></tr>\n",
        severity, html_text(f.code), f.line, f.column, html_data(f.message), html_data(f.fix));
  }
  return out + "</tbody></table>";
}

std::string length_card(std::string_view caption, const LengthSummary& lengths, std::string_view unit) {
  if (lengths.count == 0) return {};
  const std::string words = fmt::format("Half are up to {} {} long, 95 % up to {}; the longest has {}.",
                                        grouped_number(lengths.median), unit, grouped_number(lengths.p95),
                                        grouped_number(lengths.most));
  return html_card(caption,
                   histogram({.description = fmt::format("{}. {}", caption, words),
                              .bins = lengths.bins,
                              .bin_width = static_cast<double>(lengths.bin_width),
                              .unit = std::string(unit),
                              .open_end = true}),
                   words);
}

std::string token_card(const DataSummary& d) {
  if (d.row_tokens.count == 0) return {};
  const std::string_view unit = d.tokens_estimated ? "tokens (estimated)" : "tokens";
  std::string words =
      fmt::format("{} {} in all; half of the rows have up to {}, 95 % up to {}, the longest {}.",
                  grouped_number(d.tokens), unit, grouped_number(d.row_tokens.median),
                  grouped_number(d.row_tokens.p95), grouped_number(d.row_tokens.most));
  if (d.max_seq_length > 0)
    words += d.rows_over == 0 ? fmt::format(" All fit max_seq_length = {}.", grouped_number(d.max_seq_length))
                              : fmt::format(" {} longer than max_seq_length = {}.",
                                            plural(d.rows_over, "row") + (d.rows_over == 1 ? " is" : " are"),
                                            grouped_number(d.max_seq_length));
  HistogramChart chart{.description = "Tokens of the rows. " + words,
                       .bins = d.row_tokens.bins,
                       .bin_width = static_cast<double>(d.row_tokens.bin_width),
                       .unit = std::string(unit),
                       .open_end = true};
  if (d.max_seq_length > 0)
    chart.marker = static_cast<double>(d.max_seq_length), chart.marker_label = "max_seq_length";
  return html_card("Token budget of the rows", histogram(chart), words);
}

std::string counts_card(std::string_view caption, const std::vector<NamedCount>& counts, size_t color,
                        std::string_view note = {}) {
  if (counts.empty()) return {};
  size_t total = 0;
  for (const NamedCount& c : counts) total += c.count;
  std::vector<Bar> bars;
  for (const NamedCount& c : counts)
    bars.push_back({.label = first_characters(c.name, 90),
                    .value = static_cast<double>(c.count),
                    .text = fmt::format("{} ({})", grouped_number(c.count),
                                        percent(static_cast<double>(c.count) / static_cast<double>(total))),
                    .color = color,
                    .hint = fmt::format("first at line {}", c.example_line)});
  return html_card(caption, bar_list(bars), note);
}

// System prompts that begin alike are shown from where they differ.
std::vector<std::string> prompt_labels(const std::vector<PromptSummary>& prompts) {
  size_t alike = prompts.size() < 2 ? 0 : prompts[0].text.size();
  for (const PromptSummary& p : prompts) {
    if (p.text.empty() || p.text.ends_with("system prompts")) continue;
    size_t n = 0;
    while (n < std::min(alike, p.text.size()) && p.text[n] == prompts[0].text[n]) ++n;
    alike = n;
  }
  while (alike > 0 && prompts[0].text[alike - 1] != ' ') --alike;
  if (alike < 30) alike = 0;
  std::vector<std::string> labels;
  for (const PromptSummary& p : prompts) {
    const bool cut =
        alike > 0 && p.text.size() > alike && p.text.compare(0, alike, prompts[0].text, 0, alike) == 0;
    std::string label = cut ? "…" : "";
    label += first_characters(std::string_view(p.text).substr(cut ? alike : 0), 90);
    labels.push_back(p.text.empty() ? "(no system prompt)" : std::move(label));
  }
  return labels;
}

std::string negatives_card(const DataSummary& d) {
  std::vector<Bar> bars;
  const std::vector<std::string> labels = prompt_labels(d.prompts);
  for (size_t i = 0; i < d.prompts.size(); ++i) {
    const PromptSummary& p = d.prompts[i];
    if (p.answers == 0) continue;
    const Interval interval = wilson_interval(p.negative, p.answers);
    bars.push_back(
        {.label = labels[i],
         .value = static_cast<double>(p.negative) / static_cast<double>(p.answers),
         .text = fmt::format("{} of {} ({})", grouped_number(p.negative), grouped_number(p.answers),
                             percent(static_cast<double>(p.negative) / static_cast<double>(p.answers))),
         .low = interval.low,
         .high = interval.high,
         .color = 3,
         .hint = p.text});
  }
  if (bars.empty()) return {};
  return html_card("Answers that say no, by system prompt", bar_list(bars, 1),
                   "Refusals, \"I don't know\", null and empty fields. The whiskers are 95 % intervals "
                   "(Wilson). A model that never sees one makes something up.");
}

std::string prompts_card(const DataSummary& d) {
  if (d.prompts.empty()) return {};
  std::vector<Bar> bars;
  const std::vector<std::string> labels = prompt_labels(d.prompts);
  for (size_t i = 0; i < d.prompts.size(); ++i) {
    const PromptSummary& p = d.prompts[i];
    bars.push_back({.label = labels[i],
                    .value = static_cast<double>(p.rows),
                    .text = grouped_number(p.rows),
                    .color = 6,
                    .hint = fmt::format("line {}; {} of its answers are {}", p.first_line,
                                        percent(p.main_share), p.main_format)});
  }
  return html_card(d.different_prompts == 1
                       ? "The system prompt"
                       : fmt::format("{} system prompts, by rows", grouped_number(d.different_prompts)),
                   bar_list(bars),
                   "One system prompt a task, word for word the same, is what a model learns best.");
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

std::string topics(const DataSummary& d) {
  if (d.topics.empty()) return "<p>Too few rows, or too much alike, to tell topics apart.</p>";
  std::vector<Bar> bars;
  ScatterChart map{.description = fmt::format("Map of {} questions in {} topics; near ones share words.",
                                              d.points.size(), d.topics.size()),
                   .points = {},
                   .group_labels = {}};
  for (size_t i = 0; i < d.topics.size(); ++i) {
    const auto& t = d.topics[i];
    bars.push_back(
        {.label = fmt::format("{}  {}", i + 1, t.words.empty() ? "(nothing in common)" : joined(t.words)),
         .value = static_cast<double>(t.count),
         .text = fmt::format(
             "{} · line {}",
             percent(static_cast<double>(t.count) / static_cast<double>(std::max<size_t>(1, d.topic_sample))),
             t.example_line),
         .color = i % 8 + 1,
         .hint = fmt::format("{} questions; line {} is the most typical", t.count, t.example_line)});
    map.group_labels.push_back(std::to_string(i + 1));
  }
  for (const auto& p : d.points)
    map.points.push_back({p.x, p.y, p.cluster, fmt::format("line {}, topic {}", p.line, p.cluster + 1)});
  return "<div class=\"cards\">" +
         html_card(
             "Topics, each with its most typical row", bar_list(bars),
             fmt::format("Found in {} questions by the words they share.", grouped_number(d.topic_sample))) +
         html_card("Map of the questions", scatter(map),
                   "Each mark is a question; near ones share words. The numbers are those of the topics.") +
         "</div>";
}

// Unknown alone says nothing.
std::vector<NamedCount> known_languages(const std::vector<NamedCount>& counts) {
  std::vector<NamedCount> out;
  bool known = false;
  for (const NamedCount& c : counts) {
    known = known || c.name != "unknown";
    out.push_back({c.name == "unknown" ? "too short to tell, or no prose" : c.name, c.count, c.example_line});
  }
  return known ? out : std::vector<NamedCount>{};
}

}  // namespace

std::string check_page_html(const CheckPage& page) {
  const DataSummary& d = page.data;
  std::vector<HtmlSection> sections;
  sections.push_back({"findings", "Findings", findings_table(page)});
  if (std::string groups = near_groups_html(page.near_groups); !groups.empty())
    sections.push_back({"near-duplicates", "Near duplicates", std::move(groups)});
  if (d.rows > 0) {
    sections.push_back({"lengths", "Lengths",
                        "<div class=\"cards\">" + token_card(d) +
                            length_card("Questions", d.question_characters, "characters") +
                            length_card("Answers", d.answer_characters, "characters") + "</div>"});
    sections.push_back(
        {"answers", "Answers",
         "<div class=\"cards\">" + counts_card("Forms of the answers", d.formats, 1) +
             counts_card("Labels", d.classes, 2) + negatives_card(d) + prompts_card(d) +
             counts_card("Languages of the questions", known_languages(d.question_languages), 4) +
             counts_card("Languages of the answers", known_languages(d.answer_languages), 4) + "</div>"});
    sections.push_back({"topics", "Topics", topics(d)});
  }
  return html_page(fmt::format("{} – data check", page.file), page.subtitle, verdict(page), sections, kScript,
                   kNearGroupsStyle);
}

}  // namespace lora
