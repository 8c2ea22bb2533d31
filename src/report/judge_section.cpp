#include "report/judge_section.h"

#include <fmt/format.h>

#include "report/html.h"
#include "report/record_json.h"
#include "report/run_sections.h"

namespace lora {
namespace {

std::vector<std::string> texts(const JsonView& json, std::string_view key) {
  std::vector<std::string> out;
  if (const auto list = json.find(key))
    for (const JsonView& item : list->items()) out.push_back(item.text());
  return out;
}

JudgeRecord read(const JsonView& json) {
  JudgeRecord judge{.judge = json.text_or("judge", ""),
                    .mode = json.text_or("mode", ""),
                    .sentence = json.text_or("sentence", ""),
                    .usable = json.at("usable").flag(),
                    .decides = json.flag_or("decides", false),
                    .reasons = texts(json, "reasons"),
                    .warnings = texts(json, "warnings"),
                    .pairs = {}};
  if (const auto pairs = json.find("comparisons"))
    for (const JsonView& pair : pairs->items())
      judge.pairs.push_back({.a = pair.at("a").text(),
                             .b = pair.at("b").text(),
                             .n = pair.at("n").count(),
                             .wins = pair.at("wins").count(),
                             .losses = pair.at("losses").count(),
                             .ties = pair.at("ties").count(),
                             .disagreeing = pair.count_or("disagreeing", 0),
                             .unreadable = pair.count_or("unreadable", 0),
                             .p = pair.at("p").number(),
                             .win_rate = pair.optional_number("win_rate"),
                             .low = pair.optional_number("low"),
                             .high = pair.optional_number("high")});
  if (const auto position = json.find("position"))
    judge.position_consistency = position->optional_number("consistency");
  if (const auto controls = json.find("controls")) {
    if (const auto identical = controls->find("identical"))
      judge.identical = identical->count_or("n", 0), judge.identical_ties = identical->count_or("ties", 0);
    if (const auto gold = controls->find("gold"))
      judge.gold = gold->count_or("n", 0), judge.gold_wins = gold->count_or("wins", 0);
  }
  return judge;
}

std::string list(const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string out = "<ul>";
  for (const std::string& line : lines) out += fmt::format("<li>{}</li>", html_data(line));
  return out + "</ul>";
}

std::string pair_table(const JudgeRecord& judge) {
  if (judge.pairs.empty()) return {};
  std::string rows;
  for (const JudgedPairRecord& pair : judge.pairs) {
    rows += fmt::format("<tr><td>{} against {}</td>", html_data(contestant_label(pair.a)),
                        html_data(contestant_label(pair.b)));
    for (const size_t count : {pair.wins, pair.losses, pair.ties, pair.disagreeing, pair.unreadable})
      rows += fmt::format("<td class=\"number\">{}</td>", grouped_number(count));
    const bool decided = pair.win_rate && pair.low && pair.high;
    rows += fmt::format("<td class=\"number\">{}</td><td class=\"number\">{:.2g}</td></tr>\n",
                        decided ? fmt::format("{} ({} to {})", percent(*pair.win_rate), percent(*pair.low),
                                              percent(*pair.high))
                                : std::string("none decided"),
                        pair.p);
  }
  std::string head = "<th>Pair</th>";
  for (const char* name :
       {"wins", "losses", "ties", "orders disagree", "unreadable", "wins among decided, 95 %", "p"})
    head += fmt::format("<th class=\"number\">{}</th>", name);
  return fmt::format(
      "<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>", head, rows);
}

}  // namespace

std::optional<JudgeRecord> read_judge(const std::filesystem::path& path) {
  std::optional<JudgeRecord> judge;
  if (std::filesystem::exists(path))
    read_json_record(path, path.string(), [&](const JsonView& json) { judge = read(json); });
  return judge;
}

std::string judge_html(const JudgeRecord& judge, bool decided) {
  const char* role = decided         ? " It decides."
                     : judge.decides ? " It was to decide; the verdict does not rest on it."
                     : judge.usable  ? " It only describes."
                                     : "";
  std::string out =
      fmt::format("<p>{} <span class=\"tag {}\">{}</span>{}</p>", html_data(judge.judge),
                  judge.usable ? "ok" : "error", judge.usable ? "believed" : "not believed", role);
  if (!judge.sentence.empty()) out += fmt::format("<p>{}</p>", html_data(judge.sentence));
  out += list(judge.reasons) + list(judge.warnings) + pair_table(judge);
  std::string controls;
  if (judge.position_consistency)
    controls += fmt::format("It says the same in both orders in {} of the pairs. ",
                            percent(*judge.position_consistency));
  if (judge.identical > 0)
    controls += fmt::format("Of {} pairs of equal answers it calls {} a tie. ", judge.identical,
                            judge.identical_ties);
  if (judge.gold > 0)
    controls +=
        fmt::format("It prefers the right reference to another's in {} of {}.", judge.gold_wins, judge.gold);
  if (!controls.empty()) out += fmt::format("<p class=\"soft\">{}</p>", html_text(controls));
  return out;
}

}  // namespace lora
