#include "report/html.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace lora {
namespace {

// Colours: Okabe and Ito's, which stay apart for the colour-blind, darkened or lightened for contrast.
constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--bg:#fbfbf9;--card:#fff;--ink:#1c1d1f;--soft:#585c63;--line:#dcdcd6;--accent:#005f9e;
--error:#b3261e;--error-bg:#fbe9e7;--warning:#8a5300;--warning-bg:#fdf1dc;--note:#35607a;--note-bg:#e8f1f6;--ok:#1b6e45;--ok-bg:#e5f4ec;
--c1:#0072b2;--c2:#d55e00;--c3:#00875f;--c4:#b0467f;--c5:#8a6d00;--c6:#4b5fbd;--c7:#7a4a2b;--c8:#5f6670}
@media(prefers-color-scheme:dark){:root{--bg:#16171a;--card:#1f2125;--ink:#ececea;--soft:#a9adb5;--line:#3a3d43;--accent:#6cb8f0;
--error:#ff8a80;--error-bg:#3b2120;--warning:#f2b45c;--warning-bg:#372b18;--note:#8cc3e0;--note-bg:#1d2d37;--ok:#7fd6a6;--ok-bg:#1b3327;
--c1:#56b4e9;--c2:#f08a4b;--c3:#3fc79a;--c4:#e08cbb;--c5:#dcc24a;--c6:#98a6f0;--c7:#c99a78;--c8:#a9b0ba}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.25rem 0 .75rem;padding-top:.5rem}
.sub{color:var(--soft);margin:.25rem 0 0}
.soft{color:var(--soft)}
nav{margin:.75rem 0 0;display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.9rem}
a{color:var(--accent)}
.verdict{margin:1.25rem 0 0;padding:1rem 1.1rem;border-radius:.6rem;border:1px solid var(--line);border-left-width:.4rem;background:var(--card)}
.verdict strong{font-size:1.2rem;display:block}
.verdict p{margin:.35rem 0 0}
.verdict.error{border-left-color:var(--error)}.verdict.warning{border-left-color:var(--warning)}.verdict.ok{border-left-color:var(--ok)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1rem 0 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.55rem .75rem}
.tiles dt{color:var(--soft);font-size:.8rem}.tiles dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem;align-items:start}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.85rem 1rem 1rem;min-width:0}
figure.wide{grid-column:1/-1}
figcaption{font-weight:600;margin-bottom:.5rem}
figure .note{color:var(--soft);font-size:.85rem;margin:.5rem 0 0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--soft);font-size:11px;font-family:inherit}
svg text.strong{fill:var(--ink);font-weight:600}
.axis{stroke:var(--line);stroke-width:1}.marker{stroke:var(--error);stroke-width:1.5;stroke-dasharray:4 3}
.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}.f8{fill:var(--c8)}
.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}.s8{stroke:var(--c8)}
.interval{stroke:var(--ink);stroke-width:1.2;vector-effect:non-scaling-stroke}
.bars{display:grid;grid-template-columns:1fr auto;gap:.1rem .6rem;align-items:center;font-size:.88rem;margin:0;padding:0;list-style:none}
.bars li{display:contents}
.bars .label{grid-column:1/-1;overflow-wrap:anywhere;line-height:1.3;margin-top:.35rem}
.bars .value{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.bars svg{height:.95rem}
.track{fill:var(--line);opacity:.45}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .6rem;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600;font-size:.8rem;position:sticky;top:0;background:var(--bg)}
td{overflow-wrap:anywhere}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.place{white-space:nowrap;font-variant-numeric:tabular-nums}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92em}
.fix{color:var(--soft);display:block;margin-top:.15rem}
.tag{display:inline-block;padding:0 .45rem;border-radius:1rem;font-size:.8rem;font-weight:600;white-space:nowrap}
.tag.error{color:var(--error);background:var(--error-bg)}.tag.warning{color:var(--warning);background:var(--warning-bg)}
.tag.note{color:var(--note);background:var(--note-bg)}.tag.ok{color:var(--ok);background:var(--ok-bg)}
.controls{display:none;flex-wrap:wrap;gap:.5rem .75rem;align-items:center;margin:0 0 .75rem}
.js .controls{display:flex}
.controls input[type=search]{flex:1 1 14rem}
input,select{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.35rem .6rem;max-width:100%}
.controls label{display:inline-flex;gap:.3rem;align-items:center;white-space:nowrap}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
footer{color:var(--soft);font-size:.85rem;padding-top:2rem;padding-bottom:2rem}
[hidden]{display:none!important}
@media(max-width:40rem){body{font-size:15px}
table.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.stack tr{display:grid;grid-template-columns:auto auto 1fr;gap:.15rem .6rem;border-bottom:1px solid var(--line);padding:.55rem 0}
table.stack td{border:0;padding:0}table.stack td.wide{grid-column:1/-1}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb}body{font-size:10pt}
nav,.controls{display:none!important}figure,tr,.verdict{break-inside:avoid}h2{break-after:avoid}th{position:static}tr[hidden]{display:table-row!important}}
)css";

}  // namespace

std::string visible_text(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    const std::string_view bytes = text.substr(i, c.length);
    i += c.length;
    if (!c.valid) {
      out += kReplacementCharacter;
    } else if (c.code_point < 0x20 && c.code_point != '\n' && c.code_point != '\t') {
      append_utf8(out, 0x2400 + c.code_point);
    } else if (c.code_point == 0x7F || (c.code_point >= 0x80 && c.code_point < 0xA0) ||
               (c.code_point >= 0x2028 && c.code_point <= 0x202E) ||
               (c.code_point >= 0x2066 && c.code_point <= 0x2069)) {
      out += fmt::format("[U+{:04X}]", c.code_point);
    } else {
      out += bytes;
    }
  }
  return out;
}

std::string html_text(std::string_view text) {
  const std::string visible = visible_text(text);
  std::string out;
  out.reserve(visible.size() + visible.size() / 8);
  for (const char c : visible) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += c;
  }
  return out;
}

std::string script_json(std::string_view json) {
  std::string out;
  out.reserve(json.size() + json.size() / 16);
  for (const char c : json) {
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

std::string html_data(std::string_view text) {
  return fmt::format("<bdi>{}</bdi>", html_text(text));
}

std::string grouped_number(size_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string percent(double share) {
  const double p = 100 * share;
  if (p > 0 && p < 0.1) return "< 0.1 %";
  return p < 9.95 && p > 0 ? fmt::format("{:.1f} %", p) : fmt::format("{:.0f} %", p);
}

std::string html_card(std::string_view caption, std::string_view picture, std::string_view note) {
  std::string out = fmt::format("<figure><figcaption>{}</figcaption>{}", html_text(caption), picture);
  if (!note.empty()) out += fmt::format("<p class=\"note\">{}</p>", html_text(note));
  return out + "</figure>\n";
}

std::string html_page(std::string_view title, std::string_view subtitle, std::string_view verdict,
                      const std::vector<HtmlSection>& sections, std::string_view script,
                      std::string_view style) {
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  // Nothing is loaded from anywhere, whatever the data says.
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n";
  out += fmt::format("<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n", html_text(title), kStyle,
                     style);
  out +=
      fmt::format("<header>\n<h1>{}</h1>\n<p class=\"sub\">{}</p>\n", html_data(title), html_data(subtitle));
  if (!sections.empty()) out += "<nav aria-label=\"Contents\">";
  for (const HtmlSection& section : sections)
    out += fmt::format("<a href=\"#{}\">{}</a>", section.id, html_text(section.title));
  if (!sections.empty()) out += "</nav>\n";
  out += fmt::format("{}\n</header>\n<main>\n", verdict);
  for (const HtmlSection& section : sections)
    out += fmt::format("<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\">{1}</h2>\n{2}\n</section>\n",
                       section.id, html_text(section.title), section.body);
  out += "</main>\n<footer>Made by lora. This page holds everything it shows and loads nothing.</footer>\n";
  if (!script.empty()) out += fmt::format("<script>{}</script>\n", script);
  return out + "</body>\n</html>\n";
}

}  // namespace lora
