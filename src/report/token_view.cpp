#include "report/token_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "report/html.h"
#include "report/record_json.h"

namespace lora {
namespace {

constexpr size_t kMostTokens = 1500;  // of a row, in the page

std::vector<std::pair<size_t, size_t>> ranges(const std::vector<ShownToken>& tokens) {
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].supervised) continue;
    if (!out.empty() && out.back().second == i)
      ++out.back().second;
    else
      out.emplace_back(i, i + 1);
  }
  return out;
}

}  // namespace

std::vector<TokenView> read_token_views(const std::filesystem::path& path) {
  std::vector<TokenView> views;
  if (!std::filesystem::exists(path)) return views;
  read_json_record(path, path.string(), [&](const JsonView& json) {
    for (const JsonView& row : json.at("rows").items()) {
      TokenView& view = views.emplace_back(TokenView{.line = row.count_or("line", 0), .tokens = {}});
      for (const JsonView& token : row.at("tokens").items()) view.tokens.push_back({token.text(), false});
      for (const JsonView& range : row.at("supervised").items()) {
        const std::vector<JsonView> ends = range.items();
        if (ends.size() != 2 || ends[0].count() > ends[1].count() || ends[1].count() > view.tokens.size())
          range.refuse("[begin, end) among the tokens");
        for (size_t i = ends[0].count(); i < ends[1].count(); ++i) view.tokens[i].supervised = true;
      }
    }
  });
  return views;
}

std::string token_views_json(const std::vector<TokenView>& views) {
  nlohmann::ordered_json json{{"format", 1}, {"rows", nlohmann::ordered_json::array()}};
  for (const TokenView& view : views) {
    std::vector<std::string> tokens;
    for (const ShownToken& token : view.tokens) tokens.push_back(token.text);
    json["rows"].push_back({{"line", view.line}, {"tokens", tokens}, {"supervised", ranges(view.tokens)}});
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string token_view_html(const std::vector<TokenView>& views) {
  if (views.empty()) return {};
  std::string out =
      "<p class=\"soft\">Each box is a token. The model learns from the marked ones alone: those are what it "
      "will have "
      "to write itself.</p>";
  for (const TokenView& view : views) {
    size_t supervised = 0;
    for (const ShownToken& token : view.tokens) supervised += token.supervised;
    out += fmt::format(
        "<figure class=\"wide\"><figcaption>Line {} <span class=\"soft\">{} tokens, {} in the "
        "loss</span></figcaption>"
        "<div class=\"tokens\" dir=\"auto\">",
        view.line, grouped_number(view.tokens.size()), grouped_number(supervised));
    for (size_t i = 0; i < std::min(view.tokens.size(), kMostTokens); ++i) {
      const ShownToken& token = view.tokens[i];
      std::string text = html_text(token.text);
      size_t breaks = 0;
      for (const char c : token.text) breaks += c == '\n';
      for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) text.replace(at, 1, "↵");
      out += fmt::format("<{0}>{1}</{0}>{2}", token.supervised ? "mark" : "span", text,
                         breaks > 0 ? "<br>" : "");
    }
    out += "</div>";
    if (view.tokens.size() > kMostTokens)
      out += fmt::format("<p class=\"note\">{} more tokens are not shown.</p>",
                         grouped_number(view.tokens.size() - kMostTokens));
    out += "</figure>\n";
  }
  return out;
}

}  // namespace lora
