// The script of the list of all examples. It draws the data that example_browser.cpp writes: text as text, marks as ranges.
#include "report/example_browser.h"

namespace lora {
namespace {

constexpr std::string_view kScript = R"js(
(function () {
  'use strict';
  var d = document, source = d.getElementById('example-data');
  if (!source) return;
  var data = JSON.parse(source.textContent), examples = data.examples, size = 20, page = 0, found = examples;
  var by = function (id) { return d.getElementById('example-' + id); };
  var search = by('search'), pair = by('pair'), metric = by('metric'), outcome = by('outcome'), field = by('field'), mark = by('mark');

  function add(parent, tag, css, text) {
    var e = d.createElement(tag);
    if (css) e.className = css;
    if (text !== undefined) e.textContent = text;
    parent.appendChild(e);
    return e;
  }
  function option(select, value, text) { add(select, 'option', '', text).value = value; }
  function textOf(t) { return typeof t === 'string' ? t : t[0]; }
  function turnText(turn) { return typeof turn[1] === 'number' ? data.shared[turn[1]] : textOf(turn[1]); }
  function value(example, c) {
    var a = example.a[c];
    return a ? a.v[+metric.value] : null;
  }

  // What is searched, made when it is first needed.
  function haystack(e) {
    if (e.s === undefined)
      e.s = [textOf(e.r), 'line ' + e.n].concat(e.q.filter(function (t) { return t[0] !== 'system'; }).map(turnText),
        e.a.map(function (a) { return a ? textOf(a.t) : ''; })).join('\n').toLowerCase();
    return e.s;
  }

  function block(parent, text, ends) {
    var box = add(parent, 'div', 'text'), shown = textOf(text), at = 0;
    box.dir = 'auto';
    if (!shown) add(box, 'span', 'soft', '(nothing)');
    for (var i = 0; ends && i + 1 < ends.length; i += 2) {
      box.appendChild(d.createTextNode(shown.slice(at, ends[i])));
      add(box, 'mark', ends[i] === ends[i + 1] ? 'gap' : '', shown.slice(ends[i], ends[i + 1]));
      at = ends[i + 1];
    }
    box.appendChild(d.createTextNode(shown.slice(at)));
    if (typeof text !== 'string') add(parent, 'p', 'soft', '… ' + text[1] + ' more characters are in answers.jsonl');
  }
  function tag(parent, v) {
    if (v === null || v === undefined) return;
    if (data.metrics[+metric.value].score) add(parent, 'span', 'tag note', v.toFixed(2));
    else add(parent, 'span', v ? 'tag ok' : 'tag error', v ? 'right' : 'wrong');
  }
  function card(e) {
    var box = d.createElement('article'), users = e.q.filter(function (t) { return t[0] === 'user'; });
    box.className = 'example';
    add(box, 'h4', '', 'Line ' + e.n);
    if (users.length) block(add(box, 'div', 'question'), users[users.length - 1][1]);
    if (e.q.length > 1) {
      var more = add(box, 'details', 'prompt');
      add(more, 'summary', '', 'The whole prompt');
      e.q.forEach(function (t) {
        add(more, 'h5', '', t[0]);
        block(more, typeof t[1] === 'number' ? data.shared[t[1]] : t[1]);
      });
    }
    var sides = add(box, 'div', 'sides'), r = add(sides, 'div', 'side reference');
    add(r, 'h5', '', 'reference');
    block(r, e.r);
    e.a.forEach(function (a, c) {
      if (!a) return;
      var side = add(sides, 'div', 'side c' + data.contestants[c].color), head = add(side, 'h5', '', data.contestants[c].name + ' ');
      tag(head, a.v[+metric.value]);
      if (a.x) add(head, 'span', 'tag warning', 'cut off');
      block(side, a.t, mark.value ? a[mark.value] : null);
      if (a.w) add(side, 'p', 'why', a.w);
    });
    return box;
  }

  function keep(e) {
    var ends = pair.value.split(','), a = value(e, +ends[0]), b = value(e, +ends[1]), full = 1;
    if (outcome.value === 'differ' && textOf(e.a[+ends[0]] ? e.a[+ends[0]].t : '') === textOf(e.a[+ends[1]] ? e.a[+ends[1]].t : '')) return false;
    if (/win|loss|both|neither/.test(outcome.value) && (a === null || b === null)) return false;
    if (outcome.value === 'win' && !(a > b)) return false;
    if (outcome.value === 'loss' && !(a < b)) return false;
    if (outcome.value === 'both' && !(a >= full && b >= full)) return false;
    if (outcome.value === 'neither' && !(a < full && b < full)) return false;
    if (field.value !== '') {
      var answer = e.a[+ends[0]];
      if (!answer || !answer.f || answer.f.indexOf(+field.value) < 0) return false;
    }
    return words.every(function (w) { return haystack(e).indexOf(w) >= 0; });
  }

  var words = [];
  function show() {
    var list = by('list'), pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(Math.max(0, page), pages - 1);
    list.textContent = '';
    found.slice(page * size, page * size + size).forEach(function (e) { list.appendChild(card(e)); });
    by('count').textContent = found.length === examples.length ? examples.length + ' examples' : found.length + ' of ' + examples.length + ' examples';
    by('page').textContent = 'page ' + (page + 1) + ' of ' + pages;
    by('before').disabled = page === 0;
    by('next').disabled = page + 1 === pages;
  }
  function filter() {
    words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = examples.filter(keep);
    page = 0;
    show();
  }
  function turn(by) {
    page += by;
    show();
    d.getElementById('examples').scrollIntoView();
  }
  function nameOutcomes() {
    var ends = pair.value.split(','), a = data.contestants[+ends[0]].name, b = data.contestants[+ends[1] || 0].name, was = outcome.value;
    outcome.textContent = '';
    option(outcome, '', 'all');
    if (data.contestants.length > 1) {
      if (data.metrics.length) {
        option(outcome, 'win', 'wins: ' + a + ' better');
        option(outcome, 'loss', 'losses: ' + b + ' better');
        option(outcome, 'both', 'both right');
        option(outcome, 'neither', 'both wrong');
      }
      option(outcome, 'differ', 'answers that differ');
    }
    outcome.value = was;
    if (outcome.selectedIndex < 0) outcome.value = '';
  }

  d.documentElement.classList.add('js');
  var last = data.contestants.length - 1, first = data.contestants.findIndex(function (c) { return c.key === 'tuned'; });
  if (first < 0) first = last;
  var order = [first];
  data.contestants.forEach(function (c, i) { if (i !== first) order.push(i); });
  order.forEach(function (a, i) {
    order.slice(i + 1).forEach(function (b) {
      option(pair, a + ',' + b, data.contestants[a].name + ' – ' + data.contestants[b].name);
    });
  });
  if (!pair.options.length) option(pair, '0,0', data.contestants[0].name);
  data.metrics.forEach(function (m, i) { option(metric, i, m.name); });
  option(field, '', 'any');
  data.fields.forEach(function (f, i) { option(field, i, f); });
  by('field-label').hidden = !data.fields.length;
  nameOutcomes();
  search.addEventListener('input', filter);
  [metric, outcome, field].forEach(function (s) { s.addEventListener('change', filter); });
  pair.addEventListener('change', function () { nameOutcomes(); filter(); });
  mark.addEventListener('change', show);
  by('before').addEventListener('click', function () { turn(-1); });
  by('next').addEventListener('click', function () { turn(1); });
  filter();
})();
)js";

}  // namespace

std::string_view example_browser_script() {
  return kScript;
}

}  // namespace lora
