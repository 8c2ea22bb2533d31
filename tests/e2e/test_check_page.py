"""The page of `lora check --html` in a real browser: it loads nothing, runs nothing that stands in the data, can be
searched and filtered, and fits a phone. Without Chromium the tests are reported as expected failures: it is no part of
what ./setup --dev installs (Ubuntu has it as a snap only).
"""
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from clean_domains import DOMAINS, chat
from planted import change, dump
from program import lora

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = '</script><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"> "q" \'r\' \u202eback שלום'


def dom(page, script="", size="1280,2000"):
    """The document after its scripts ran, `script` last."""
    if CHROMIUM is None:
        pytest.xfail("there is no Chromium here")
    if script:
        copy = page.with_name("with_script.html")
        copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
        page = copy
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", f"--window-size={size}",
                           f"--user-data-dir={page.parent / 'profile'}", "--enable-logging=stderr", "--dump-dom", page.as_uri()],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not re.search(r"CONSOLE.*(Uncaught|Refused|ERR_)", done.stderr), done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    rows = DOMAINS["support"](80, 1)
    rows[10] = change(rows[10], "user", lambda s: s + " at the cafÃ©")
    rows[20] = chat(("system", HOSTILE), ("user", HOSTILE), ("assistant", HOSTILE))
    rows[30] = change(rows[30], "assistant", lambda s: json.dumps({"reply": HOSTILE}))
    rows[40] = change(rows[5], "user", lambda s: s.replace(" ", " dear ", 1))
    lines = [dump(r) for r in rows] + [b'{"messages": 3}', b'{"</script><img src=y>": 1}']
    (folder / "rows.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    out = folder / "page.html"
    done = lora("check", folder / "rows.jsonl", "--html", out)
    assert done.returncode == 1, done.stderr
    return out


def test_data_stays_text(page):
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(page.read_text(encoding="utf-8"))
    assert not {t for t, _ in tags} & {"img", "iframe", "link", "object", "embed", "video", "audio", "base", "form"}
    assert sum(t == "script" for t, _ in tags) == 1
    for _, attributes in tags:
        assert "src" not in attributes and attributes.get("href", "#")[0] == "#", attributes
        assert not [a for a in attributes if a.startswith("on")], attributes
    shown = dom(page)
    assert "<title>owned" not in shown and "<img" not in shown
    assert "rows.jsonl" in re.search(r"<title>(.*?)</title>", shown)[1]


def test_findings_can_be_searched_and_filtered(page):
    plain = dom(page)
    total = len(re.findall(r"<tr data-s=", plain))
    assert total >= 4 and f"{total} shown" in plain and 'class="js"' in plain
    found = dom(page, "var s=document.getElementById('search');s.value='CAFÉ encoding';s.dispatchEvent(new Event('input'))")
    assert f"1 of {total} shown" in html.unescape(found)
    assert len(re.findall(r'<tr data-s="[^>]*hidden', found)) == total - 1
    errors = dom(page, "document.querySelectorAll('.controls input[type=checkbox]').forEach(function(x){if(x.value!=='error'){x.checked=false;"
                       "x.dispatchEvent(new Event('change'))}})")
    left = re.findall(r'<tr data-s="(\w+)" data-c="[\w-]+">', errors)
    assert left and set(left) == {"error"}


def test_near_duplicates_are_shown_side_by_side(page):
    text = page.read_text(encoding="utf-8")
    section = text[text.index('id="near-duplicates"'):]
    section = section[:section.index("</section>")]
    assert "line 6<" in section and "line 41<" in section and "<mark>dear </mark>" in section
    assert section.count("<table") == 1, "one group"
    assert "<mark>dear </mark>" in dom(page), "and for the browser too"


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    # A window of Chromium is at least 500 wide: the width is given by a frame.
    measured = dom(page, "document.documentElement.style.width='%dpx';document.title=Math.max.apply(null,[].map.call("
                         "document.querySelectorAll('figure,table,.verdict'),function(x){return Math.round(x.getBoundingClientRect().right)}))" % width,
                   size=f"{max(500, width)},2000")
    assert int(re.search(r"<title>(\d+)</title>", measured)[1]) <= width


def test_it_reads_without_scripts(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("<tr data-s=") >= 4 and "hidden>" not in text and "<noscript" not in text
    assert len(re.findall(r"<svg[^>]*role=\"img\"><title>", text)) >= 4, "pictures say what they show"
