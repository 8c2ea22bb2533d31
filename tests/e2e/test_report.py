"""`lora report` and `lora review` on a small recorded run that is made here: what the pages say, that they run and load in a
real browser, and that votes come back. Without Chromium the tests that need it are reported as expected failures.
"""
import html
import json
import re
import subprocess

import pytest

from program import error_line, lora, succeed
from test_check_page import CHROMIUM, HOSTILE, dom

CITIES = "Aarhus Basel Cadiz Delft Essen Fano Ghent Hull".split()


def answer(city, age):
    return json.dumps({"city": city, "age": age}, separators=(",", ":"))


def write_run(folder, count, long=""):
    """A run directory as lora writes it. The tuned model is wrong on every fifth example; the base is right on two of ten,
    one of which both answer alike."""
    for name in ("eval", "split"):
        (folder / name).mkdir(parents=True)
    rows, lines, passes = [], [], {"base": 0, "tuned": 0}
    for i in range(count):
        right = answer(CITIES[i % 8], 20 + i % 50)
        question = HOSTILE if i == 3 else f"Person {i} lives in {CITIES[i % 8]}{long}."
        rows.append({"messages": [{"role": "system", "content": "Give JSON."}, {"role": "user", "content": question},
                                  {"role": "assistant", "content": right}]})
        given = {"base": right if i % 10 < 2 else HOSTILE if i == 3 else "I do not know",
                 "tuned": answer(CITIES[(i + 1) % 8], 20 + i % 50) if i % 5 == 0 else right}
        for name, text in given.items():
            passed = text == right
            passes[name] += passed
            checks = {"correct": {"passed": passed, "score": float(passed)}}
            if not passed:
                checks["correct"] |= {"why": "not JSON"} if name == "base" else {
                    "why": "wrong fields: city", "fields": [{"name": "age", "passed": True, "expected": "1", "got": "1"},
                                                            {"name": "city", "passed": False, "expected": '"A"', "got": '"B"'}]}
            lines.append({"id": i, "line": i + 1, "contestant": name, "prompt_ids": [1, 2, 3], "answer": text, "reference": right,
                          "stopped": True, "checks": checks})
    wins, losses = sum(1 for i in range(count) if i % 5 and i % 10 != 1), sum(1 for i in range(count) if i % 10 == 0)
    rate = lambda k: {"value": k / count, "n": count, "low": max(0, k / count - .1), "high": min(1, k / count + .1), "kind": "pass", "passes": k}
    (folder / "eval" / "summary.json").write_text(json.dumps({
        "format": 1, "primary": "correct", "verdict": "won", "sentence": "The tuned model is better than its base, as recorded.",
        "contestants": {name: {"correct": rate(k)} for name, k in passes.items()},
        "comparisons": [{"a": "tuned", "b": "base", "metric": "correct", "wins": wins, "losses": losses,
                         "ties": count - wins - losses, "p": 1e-5, "p_adjusted": 2e-5, "smallest_detectable": 0.16,
                         "difference": 0.7, "low": 0.5, "high": 0.8}]}))
    write = lambda name, rows: (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    write("eval/answers.jsonl", lines)
    write("split/test.jsonl", rows)
    write("metrics.jsonl", [{"step": s, "epoch": s / 30, "loss": 2 / s, "eval_loss": 1 + 1 / s if s % 10 == 0 else None,
                             "learning_rate": 1e-4 / s, "grad_norm": 1 / s, "examples": 8, "tokens": 800, "unique_tokens": 700,
                             "supervised_tokens": 100, "seconds": 1.5 * s, "peak_memory_bytes": 2 ** 30} for s in range(1, 31)])
    (folder / "run.json").write_text(json.dumps({
        "format": 1, "lora.cpp": "0.1.0", "run_hash": "a" * 64, "config": {"model": "small.gguf", "train_data": "d.jsonl", "r": 16},
        "threads": 2, "split": {"train": 240, "valid": 20, "test": count, "set_aside": 0, "golden": 0, "why": "the split's reason"},
        "notes": ["a note of the run"]}))
    (folder / "finished.json").write_text(json.dumps({"format": 1, "steps": 30, "best_step": 20, "eval_loss_first": 1.1,
                                                      "eval_loss_best": 1.05, "training_seconds": 45.0, "warnings": []}))
    (folder / "token_view.json").write_text(json.dumps({"format": 1, "rows": [
        {"line": 1, "tokens": ["<|im_start|>", "user", "\n", "Hi", "<|im_end|>", "Yes"], "supervised": [[5, 6]]}]}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("run") / "first", 40)
    done = succeed("report", folder)
    assert "report.html" in done.stdout
    return folder


def test_the_page_says_what_was_recorded(run):
    text = html.unescape((run / "report.html").read_text(encoding="utf-8"))
    for part in ("The tuned model won", "The tuned model is better than its base, as recorded.", "p = 2e-05 after Holm", "28 / 4 / 8",
                 "+70 %", "+50 % to +80 %", "16 %", "the split's reason", "a note of the run", "1.0 GiB", "45 s",
                 "Field by field", "What the loss is on", "6 tokens, 1 in the loss", "Losses, where the base is right", ": 4<", ": 28<"):
        assert part in text, part


def test_the_same_directory_gives_the_same_bytes(run, tmp_path):
    succeed("report", run, "--output", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (run / "report.html").read_bytes()
    assert "--output" in lora("report", "--help").stdout
    error_line(lora("report", run, "--output", tmp_path / "again.html"), 2)  # what stands there is not overwritten


def test_a_training_leaves_its_page(trained, tmp_path):
    page = (trained / "report.html").read_bytes()
    succeed("report", trained, "--output", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page
    text = page.decode()
    assert "Trained, not compared with its base" in text and "What the loss is on" in text and ", 0 in the loss" not in text


def test_broken_records_are_refused_with_their_place(run, tmp_path):
    folder = write_run(tmp_path / "broken", 4)
    with (folder / "eval" / "answers.jsonl").open("a") as file:
        file.write('{"id": 1, "contestant": }\n')
    assert "answers.jsonl:9:25" in error_line(lora("report", folder), 2)
    assert "run.json" in error_line(lora("report", tmp_path), 2)
    assert not (folder / "report.html").exists()


def test_in_a_browser_all_examples_are_there(run):
    shown = html.unescape(dom(run / "report.html"))
    assert "40 examples" in shown and "page 1 of 2" in shown and 'class="js"' in shown
    listed = shown[shown.index('id="example-list"'):]
    assert listed.count("<article") == 20 and "Person 7 lives in Hull" in listed
    assert "<title>owned" not in shown and len(re.findall(r"<svg[^>]*role=\"img\"><title>", shown)) == 3
    assert '<mark>Basel</mark>' in listed, "Basel stands where Aarhus should"


def test_in_a_browser_examples_can_be_filtered(run):
    choose = "var e=document.getElementById('example-%s');e.value='%s';e.dispatchEvent(new Event('%s'));"
    for what, expected in (((("search", "LIVES ghent.", "input"),), 5), ((("outcome", "win", "change"),), 28), ((("outcome", "loss", "change"),), 4),
                           ((("field", "0", "change"),), 8), ((("search", "owned", "input"), ("outcome", "win", "change")), 1),
                           ((("search", "nowhere to be found", "input"),), 0)):
        found = dom(run / "report.html", "".join(choose % (id, value, event) for id, value, event in what))
        assert f"{expected} of 40 examples" in found, what
    turned = dom(run / "report.html", "document.getElementById('example-next').click()")
    assert "page 2 of 2" in turned and turned[turned.index('id="example-list"'):].count("<article") == 20


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(run, width):
    measured = dom(run / "report.html", "document.documentElement.style.width='%dpx';document.title=Math.max.apply(null,[].map.call("
                   "document.querySelectorAll('figure,.scroll,.verdict,.example,.controls'),function(x){return Math.round(x.getBoundingClientRect().right)}))" % width,
                   size=f"{max(500, width)},2000")
    assert int(re.search(r"<title>(\d+)</title>", measured)[1]) <= width


def test_five_thousand_rows_open_within_three_seconds(tmp_path):
    folder = write_run(tmp_path / "large", 5200, long=" and says a good deal more about it" * 8)
    succeed("report", folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "first 5,000 of 5,200 examples; the other 200 are in" in text
    # Until the list stands and is laid out, by the page's own clock: the browser's start is not the page's.
    if CHROMIUM is None:
        pytest.xfail("there is no Chromium here")
    page = tmp_path / "timed.html"
    page.write_text(text.replace("</body>", "<script>document.body.offsetHeight;document.title='opened in '+Math.round(performance.now())"
                                 "</script></body>"), encoding="utf-8")
    shown = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
                            page.as_uri()], capture_output=True, text=True, timeout=120).stdout
    assert "5000 examples" in shown
    opened = int(re.search(r"<title>opened in (\d+)</title>", shown)[1])
    print(f"opened in {opened} ms")
    assert opened <= 3000


def press(keys):
    return "".join(f"document.dispatchEvent(new KeyboardEvent('keydown',{{key:'{key}'}}));" for key in keys)


def votes_in(shown):
    return html.unescape(re.search(r'<textarea id="votes"[^>]*>(.*?)</textarea>', shown, re.S)[1])


@pytest.fixture(scope="module")
def review(run):
    assert "questions to judge" in succeed("review", run).stdout
    return run / "review.html"


def test_the_review_is_blind(run, review):
    data = json.loads(re.search(r'id="review-data">(.*?)</script>', review.read_text(encoding="utf-8"), re.S)[1])
    assert set(data["items"][0]) == {"id", "line", "question", "turns", "reference", "left", "right"}
    ids = [item["id"] for item in data["items"]]
    assert len(ids) == 36 and ids != sorted(ids), "examples that were answered alike are not asked"
    tuned_left = [not item["left"].startswith(("I do not", "</script>")) for item in data["items"] if item["id"] % 5 and item["id"] % 10 != 1]
    assert len(tuned_left) == 28 and 5 < sum(tuned_left) < 23


def test_votes_of_the_page_are_counted(run, review, tmp_path):
    shown = dom(review, "var n=document.getElementById('reviewer');n.value='ann';n.dispatchEvent(new Event('input'));" + press("1210"))
    assert "4 of 36 answered" in shown and "5 of 36" in shown
    lines = votes_in(shown)
    assert [json.loads(x)["vote"] for x in lines.splitlines()] == ["left", "right", "left", "tie"]
    (tmp_path / "ann.jsonl").write_text(lines)
    data = json.loads(re.search(r'id="review-data">(.*?)</script>', review.read_text(encoding="utf-8"), re.S)[1])
    expected = {"a": 0, "b": 0, "ties": 0}
    base = {r["id"]: r["answer"] for r in map(json.loads, (run / "eval" / "answers.jsonl").read_text(encoding="utf-8").splitlines()) if r["contestant"] == "base"}
    for item, choice in zip(data["items"], ("left", "right", "left", "tie")):
        preferred = item.get(choice)
        is_base = preferred is not None and (preferred == base[item["id"]] or "</script>" in preferred)
        expected["ties" if preferred is None else "a" if is_base else "b"] += 1
    counted = json.loads(succeed("review", run, "--votes", tmp_path / "ann.jsonl", "--format", "json").stdout)
    assert counted["total"] == expected and counted["reviewers"] == {"ann": expected}
    assert "4 of 36 examples were judged" in succeed("review", run, "--votes", tmp_path / "ann.jsonl").stdout


def test_the_review_goes_on_where_it_was_left(review):
    saved = json.dumps({"reviewer": "bo", "at": 7, "votes": {}})
    key = json.loads(re.search(r'id="review-data">(.*?)</script>', review.read_text(encoding="utf-8"), re.S)[1])["review"]
    early = review.with_name("resumed.html")
    early.write_text(review.read_text(encoding="utf-8").replace(
        '<script type="application/json"', f"<script>localStorage.setItem('lora-review-{key}',{json.dumps(saved)})</script>"
        '<script type="application/json"', 1), encoding="utf-8")
    shown = dom(early, "document.title=document.getElementById('reviewer').value")
    assert "8 of 36" in shown and "<title>bo</title>" in shown


def test_votes_on_other_answers_are_refused(run, review, tmp_path):
    key = json.loads(re.search(r'id="review-data">(.*?)</script>', review.read_text(encoding="utf-8"), re.S)[1])["review"]
    line = {"review": key, "a": "base", "b": "tuned", "seed": 0, "reviewer": "ann", "id": 2, "vote": "left"}
    other = write_run(tmp_path / "other", 39)
    (tmp_path / "votes.jsonl").write_text(json.dumps(line) + "\n")
    assert succeed("review", run, "--votes", tmp_path / "votes.jsonl").stdout
    assert "another review" in error_line(lora("review", other, "--votes", tmp_path / "votes.jsonl"), 2)
    (tmp_path / "votes.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(line | {"vote": "both"}) + "\n")
    assert "votes.jsonl:2: vote" in error_line(lora("review", run, "--votes", tmp_path / "votes.jsonl"), 2)
