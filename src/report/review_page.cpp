#include "report/review_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/example_card.h"
#include "report/html.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostCharacters = 20000;

constexpr std::string_view kStyle = R"css(
h2{margin:0;padding:0;font-size:1rem}
#review{margin-top:1.25rem}
.bar{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;margin-bottom:1rem}
.bar progress{flex:1 1 10rem;accent-color:var(--accent);height:.6rem}
.question,.answer{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.85rem 1rem}
.question{margin-bottom:1rem}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}
.answer h2{color:var(--soft);margin-bottom:.4rem}
.answer.chosen{border-color:var(--accent);box-shadow:inset 0 .25rem 0 var(--accent)}
.text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
.choices{display:flex;flex-wrap:wrap;gap:.75rem;justify-content:center;margin:1rem 0}
button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1.1rem;cursor:pointer}
button[aria-pressed=true]{border-color:var(--accent);box-shadow:0 0 0 1px var(--accent)}
button:disabled{opacity:.45;cursor:default}
kbd{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.8em;color:var(--soft);border:1px solid var(--line);border-radius:.25rem;padding:0 .3rem;margin-left:.35rem}
details{margin:.75rem 0}summary{cursor:pointer;color:var(--accent)}
textarea{width:100%;min-height:8rem;font:.8rem ui-monospace,Menlo,Consolas,monospace;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.5rem;overflow-wrap:anywhere}
#done{color:var(--ok);font-weight:600}
)css";

constexpr std::string_view kBody = R"html(<noscript><p>The review needs JavaScript.</p></noscript>
<div id="review" hidden>
<div class="bar"><label>Your name <input id="reviewer" autocomplete="off" maxlength="60"></label>
<progress id="progress" max="1" value="0" aria-label="answered"></progress><span id="count" role="status"></span></div>
<section class="question" aria-label="Question"><div id="question" class="text" dir="auto"></div>
<details id="whole"><summary>The whole prompt</summary><div id="prompt"></div></details></section>
<div class="answers"><section class="answer" id="left-box"><h2>Left</h2><div id="left" class="text" dir="auto"></div></section>
<section class="answer" id="right-box"><h2>Right</h2><div id="right" class="text" dir="auto"></div></section></div>
<details id="reference"><summary>The reference answer <kbd>r</kbd></summary><div id="reference-text" class="text" dir="auto"></div></details>
<div class="choices" role="group" aria-label="Which is better?"><button type="button" id="vote-left">Left is better<kbd>1</kbd></button>
<button type="button" id="vote-tie">Equally good or bad<kbd>0</kbd></button><button type="button" id="vote-right">Right is better<kbd>2</kbd></button></div>
<div class="choices"><button type="button" id="before">Back<kbd>←</kbd></button><span id="place" class="soft"></span><button type="button" id="next">On<kbd>→</kbd></button></div>
<p id="done" hidden>All are answered. Save the votes.</p>
<div class="choices"><button type="button" id="save">Save the votes</button></div>
<details id="votes-box"><summary>The votes as text</summary><textarea id="votes" readonly aria-label="The votes as text"></textarea></details>
</div>
)html";

constexpr std::string_view kScript = R"js(
(function () {
  'use strict';
  var d = document, by = function (id) { return d.getElementById(id); };
  var data = JSON.parse(by('review-data').textContent), items = data.items, store = 'lora-review-' + data.review;
  var state = { reviewer: '', at: 0, votes: {} };

  // Browsers may forbid storage: then the page works, but forgets.
  try {
    var saved = JSON.parse(localStorage.getItem(store) || 'null');
    if (saved && saved.votes) state = { reviewer: String(saved.reviewer || ''), at: +saved.at || 0, votes: saved.votes };
  } catch (e) { void e; }
  function keep() {
    try { localStorage.setItem(store, JSON.stringify(state)); } catch (e) { void e; }
  }

  function lines() {
    return items.filter(function (item) { return state.votes[item.id]; }).map(function (item) {
      return JSON.stringify({ review: data.review, a: data.a, b: data.b, seed: data.seed,
        reviewer: state.reviewer.trim() || 'anonymous', id: item.id, vote: state.votes[item.id] }) + '\n';
    }).join('');
  }

  function show() {
    state.at = Math.min(Math.max(0, state.at), items.length - 1);
    var item = items[state.at], vote = state.votes[item.id], voted = 0;
    items.forEach(function (i) { if (state.votes[i.id]) ++voted; });
    by('question').textContent = item.question || 'Line ' + item.line;
    by('left').textContent = item.left || '(nothing)';
    by('right').textContent = item.right || '(nothing)';
    by('reference-text').textContent = item.reference;
    var prompt = by('prompt');
    prompt.textContent = '';
    item.turns.forEach(function (turn) {
      var head = d.createElement('h2'), box = d.createElement('div');
      head.textContent = turn[0];
      box.className = 'text';
      box.dir = 'auto';
      box.textContent = typeof turn[1] === 'number' ? data.shared[turn[1]] : turn[1];
      prompt.appendChild(head);
      prompt.appendChild(box);
    });
    by('whole').hidden = item.turns.length < 2;
    ['left', 'tie', 'right'].forEach(function (name) { by('vote-' + name).setAttribute('aria-pressed', String(vote === name)); });
    by('left-box').classList.toggle('chosen', vote === 'left');
    by('right-box').classList.toggle('chosen', vote === 'right');
    by('before').disabled = state.at === 0;
    by('next').disabled = state.at + 1 === items.length;
    by('place').textContent = (state.at + 1) + ' of ' + items.length;
    by('progress').max = items.length;
    by('progress').value = voted;
    by('count').textContent = voted + ' of ' + items.length + ' answered';
    by('done').hidden = voted < items.length;
    by('save').disabled = voted === 0;
    by('votes').textContent = lines();
    keep();
  }
  function move(steps) {
    state.at += steps;
    by('reference').open = false;
    show();
  }
  // On to the next that has no vote, if there is one.
  function vote(choice) {
    state.votes[items[state.at].id] = choice;
    for (var i = 1; i <= items.length; ++i) {
      var at = (state.at + i) % items.length;
      if (!state.votes[items[at].id]) {
        move(at - state.at);
        return;
      }
    }
    show();
  }
  function save() {
    var link = d.createElement('a');
    link.href = URL.createObjectURL(new Blob([lines()], { type: 'application/x-ndjson' })); // lint: allow
    link.download = 'votes-' + (state.reviewer.trim().replace(/[^\w-]+/g, '_') || 'anonymous') + '.jsonl';
    d.body.appendChild(link);
    link.click();
    link.remove();
  }

  by('reviewer').value = state.reviewer;
  by('reviewer').addEventListener('input', function () { state.reviewer = by('reviewer').value; show(); });
  ['left', 'tie', 'right'].forEach(function (name) { by('vote-' + name).addEventListener('click', function () { vote(name); }); });
  by('before').addEventListener('click', function () { move(-1); });
  by('next').addEventListener('click', function () { move(1); });
  by('save').addEventListener('click', save);
  d.addEventListener('keydown', function (e) {
    if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|TEXTAREA)$/.test(e.target.tagName || '')) return;
    if (e.key === '1') vote('left');
    else if (e.key === '2') vote('right');
    else if (e.key === '0') vote('tie');
    else if (e.key === 'ArrowLeft') move(-1);
    else if (e.key === 'ArrowRight') move(1);
    else if (e.key === 'r') by('reference').open = !by('reference').open;
    else return;
    e.preventDefault();
  });
  by('review').hidden = false;
  show();
})();
)js";

std::string shown(std::string_view text) {
  ShownText cut = shown_text(text, kMostCharacters);
  if (cut.left_out > 0) cut.text += fmt::format("\n… ({} more characters)", grouped_number(cut.left_out));
  return std::move(cut.text);
}

Json data_json(const EvaluationRecord& evaluation, const ReviewPlan& plan) {
  const size_t a = *evaluation.contestant(plan.options.a), b = *evaluation.contestant(plan.options.b);
  std::vector<std::string> shared;  // system prompts, each once
  Json items = Json::array();
  for (const ReviewItem& item : plan.items) {
    const AskedExample& example = evaluation.examples[item.example];
    Json turns = Json::array();
    for (const Message& message : example.question) {
      const std::string text = shown(message.content);
      if (message.role != "system") {
        turns.push_back(Json::array({visible_text(message.role), text}));
        continue;
      }
      const auto place = static_cast<size_t>(std::find(shared.begin(), shared.end(), text) - shared.begin());
      if (place == shared.size()) shared.push_back(text);
      turns.push_back(Json::array({message.role, place}));
    }
    const std::string of_a = shown(example.answers[a]->text), of_b = shown(example.answers[b]->text);
    items.push_back({{"id", example.id},
                     {"line", example.line},
                     {"question", shown(asked(example))},
                     {"turns", std::move(turns)},
                     {"reference", shown(example.reference)},
                     {"left", item.a_is_left ? of_a : of_b},
                     {"right", item.a_is_left ? of_b : of_a}});
  }
  return {{"review", plan.key},        {"a", plan.options.a}, {"b", plan.options.b},
          {"seed", plan.options.seed}, {"shared", shared},    {"items", std::move(items)}};
}

}  // namespace

std::string review_page_html(const EvaluationRecord& evaluation, const ReviewPlan& plan) {
  const std::string data = data_json(evaluation, plan).dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string body = fmt::format("{}<script type=\"application/json\" id=\"review-data\">{}</script>",
                                       kBody, script_json(data));
  const std::string subtitle = fmt::format(
      "{} questions, two answers to each. Left and right change at random, so judge only what you read.{}",
      grouped_number(plan.items.size()),
      plan.identical == 0
          ? ""
          : fmt::format(" {} more were answered alike and are not asked.", grouped_number(plan.identical)));
  return html_page("Which answer is better?", subtitle, body, {}, kScript, kStyle);
}

}  // namespace lora
