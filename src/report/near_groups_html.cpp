#include "report/near_groups_html.h"

#include <fmt/format.h>

#include "report/html.h"

namespace lora {
namespace {

std::string marked(const std::vector<TextPart>& parts) {
  std::string out = "<bdi>";
  for (const TextPart& part : parts)
    out += part.differs ? fmt::format("<mark>{}</mark>", html_text(part.text)) : html_text(part.text);
  return out + "</bdi>";
}

std::string row_html(const NearRow& row, bool first) {
  std::string place = fmt::format("line {}", row.line);
  if (!first && row.similarity > 0)
    place += fmt::format("<br><span class=\"soft\">{:.2f}</span>", row.similarity);
  std::string texts = marked(row.question);
  if (!row.answer.empty()) texts += fmt::format("<span class=\"answer\">{}</span>", marked(row.answer));
  return fmt::format("<tr><td class=\"place\">{}</td><td class=\"wide\">{}</td></tr>\n", place, texts);
}

}  // namespace

const std::string_view kNearGroupsStyle =
    ".twins{margin-bottom:1.5em}.twins caption{text-align:left;font-weight:600}.twins .place{width:6em}"
    ".twins mark{background:#ffe08a;color:#222;border-radius:2px}.twins "
    ".answer{display:block;margin-top:.3em;"
    "padding-left:.8em;border-left:2px solid currentColor;opacity:.85}.twins td{vertical-align:top}";

std::string near_groups_html(const NearGroups& groups) {
  if (groups.groups.empty()) return {};
  std::string out =
      "<p>Rows that teach what another row teaches. What differs from the group's first row is marked; the "
      "number is "
      "the similarity of the questions to it.";
  if (groups.found > groups.groups.size())
    out += fmt::format(" The largest {} of {} groups.", grouped_number(groups.groups.size()),
                       grouped_number(groups.found));
  out += "</p>\n";
  for (const NearGroup& group : groups.groups) {
    out += fmt::format(
        "<table class=\"twins\"><caption>{} rows</caption><thead><tr><th>Line</th><th>Question and "
        "answer</th></tr></thead><tbody>\n",
        grouped_number(group.size));
    for (size_t i = 0; i < group.rows.size(); ++i) out += row_html(group.rows[i], i == 0);
    out += "</tbody></table>\n";
    if (group.size > group.rows.size())
      out += fmt::format("<p class=\"soft\">… and {} more.</p>\n",
                         grouped_number(group.size - group.rows.size()));
  }
  return out;
}

}  // namespace lora
