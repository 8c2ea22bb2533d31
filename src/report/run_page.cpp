#include "report/run_page.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "report/example_browser.h"
#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

constexpr std::string_view kStyle = R"css(
h3{font-size:1rem;margin:1.5rem 0 .5rem}
h4{font-size:.85rem;color:var(--soft);font-weight:600;margin:0 0 .35rem}
h5{font-size:.8rem;color:var(--soft);font-weight:600;margin:0 0 .25rem}
.verdict table{margin:.75rem 0 .25rem}
.verdict th{background:var(--card)}
.scroll{overflow-x:auto}
.tiles .below{font-size:.8rem;color:var(--soft)}
table.short{width:auto;min-width:min(100%,20rem)}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 2rem}
details.settings{margin-top:1.5rem}
summary{cursor:pointer;color:var(--accent)}
.example{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.85rem 1rem 1rem;margin:0 0 .9rem;break-inside:avoid}
.question{border-left:.2rem solid var(--line);padding-left:.75rem;margin-bottom:.75rem}
.prompt{margin-bottom:.75rem;font-size:.88rem}.prompt h5{margin-top:.5rem}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:.75rem}
.side{border-top:.2rem solid var(--line);padding-top:.45rem;min-width:0}
.side.c1{border-top-color:var(--c1)}.side.c2{border-top-color:var(--c2)}.side.c3{border-top-color:var(--c3)}.side.c4{border-top-color:var(--c4)}
.side.c5{border-top-color:var(--c5)}.side.c6{border-top-color:var(--c6)}.side.c7{border-top-color:var(--c7)}.side.c8{border-top-color:var(--c8)}
.text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;max-height:24rem;overflow-y:auto}
.side .text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86rem}
.why{color:var(--soft);font-size:.85rem;margin:.4rem 0 0;overflow-wrap:anywhere}
mark{color:inherit;background:var(--mark);border-radius:.2rem;box-shadow:0 1px 0 var(--warning)}
mark.gap{padding:0 .12rem;background:none;box-shadow:none;border-left:2px solid var(--warning)}
:root{--mark:#fbe7c4}
@media(prefers-color-scheme:dark){:root{--mark:#4d3a17}}
.controls label{gap:.4rem;color:var(--soft)}
button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.35rem .9rem;cursor:pointer}
button:disabled{opacity:.45;cursor:default}
.pages{justify-content:center;margin:.75rem 0}
.balance{min-width:8rem}.balance div{display:flex;height:.7rem;border-radius:.2rem;overflow:hidden;margin-top:.35rem}
.balance .win{background:var(--c1)}.balance .tie{background:var(--line)}.balance .loss{background:var(--c2)}
table.fields{width:auto;min-width:min(100%,36rem)}table.fields td,table.fields th{padding-right:1rem}
td.heat{background:linear-gradient(90deg,var(--c1) calc(var(--share)*100%),var(--line) 0) left .6rem bottom .2rem/calc(100% - 1.6rem) 3px no-repeat}
figure.wide+figure.wide{margin-top:1rem}
.tokens{line-height:2;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.84rem;overflow-wrap:anywhere;white-space:pre-wrap}
.tokens>*{outline:1px solid var(--line);border-radius:.15rem;padding:.05rem 0;margin:0 1px}
.tokens mark{background:var(--mark);box-shadow:none}
@media print{:root{--mark:#f3e3c3}.text{max-height:none;overflow:visible}.tokens mark,mark,.balance span,td.heat,.f1,.f2,.f8{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

std::string subtitle(const RunRecord& run) {
  std::string model, data;
  for (const auto& [key, value] : run.config) {
    if (key == "model") model = std::filesystem::path(value).filename().string();
    if (key == "train_data") data = std::filesystem::path(value).filename().string();
  }
  if (model.empty()) return "An evaluation of base and tuned model";
  return fmt::format("{}, trained on {}{}", model,
                     run.split ? grouped_number(run.split->train) + " rows of " : "", data);
}

// A later `lora judge` changes what the judge says, and not the verdict.
bool judge_decided(const RunRecord& run) {
  const std::string& sentence = run.judge->sentence;
  return run.evaluation && run.evaluation->decided_by == "judge" && !sentence.empty() &&
         run.evaluation->sentence.starts_with(sentence);
}

}  // namespace

std::string run_page_html(const RunRecord& run, const RunPageOptions& options) {
  std::vector<HtmlSection> sections;
  const auto add = [&](std::string id, std::string title, std::string body) {
    if (!body.empty()) sections.push_back({std::move(id), std::move(title), std::move(body)});
  };
  add("training", "Training", training_curves_html(run));
  if (run.evaluation) {
    const EvaluationRecord& evaluation = *run.evaluation;
    add("rates", "How often each is right", rates_html(evaluation));
    add("fields", "Field by field", fields_html(evaluation));
    add("pairs", "Wins and losses, counted", comparisons_html(evaluation));
    add("parted", "Wins and losses, side by side", wins_and_losses_html(evaluation, options.most_wins));
  }
  if (run.judge) add("judge", "What the judge says", judge_html(*run.judge, judge_decided(run)));
  if (run.golden)
    add("golden", "Golden rows, apart from the verdict",
        rates_html(*run.golden) + example_list_html(*run.golden, 20));
  if (run.evaluation) {
    const std::string file = run.config.empty() ? "answers.jsonl" : "eval/answers.jsonl";
    add("examples", "All examples", example_browser_html(*run.evaluation, options.most_examples, file));
  }
  add("tokens", "What the loss is on", token_view_html(run.token_views));
  add("run", "The run", run_settings_html(run));
  return html_page(fmt::format("{} – report", run.name), subtitle(run), run_verdict_html(run), sections,
                   example_browser_script(), kStyle);
}

std::filesystem::path write_run_page(const std::filesystem::path& folder) {
  std::filesystem::path page = folder / "report.html";
  write_file_atomic(page, run_page_html(read_run(folder)), IfExists::kReplace);
  return page;
}

}  // namespace lora
