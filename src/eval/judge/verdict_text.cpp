#include "eval/judge/verdict_text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace lora {
namespace {

constexpr std::string_view kDecoration = " \t\r*_`\"'{}[]()<>#-.,;!\\$";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view bare(std::string_view text) {
  const size_t begin = text.find_first_not_of(kDecoration);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kDecoration) - begin + 1);
}

// Takes `prefix` off the front; whether it was there.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// What follows the thoughts; nothing when they have no end.
std::optional<std::string> without_thoughts(std::string_view text) {
  const std::string small = lower(text);
  const size_t end = small.rfind("</think>"), begin = small.rfind("<think>");
  if (begin != std::string::npos && (end == std::string::npos || end < begin)) return std::nullopt;
  return end == std::string::npos ? small : small.substr(end + 8);
}

std::optional<JudgeChoice> choice_named(std::string_view text) {
  text = bare(text);
  for (const std::string_view word : {"answer", "option", "response"})
    if (take(text, word)) text = bare(text);
  constexpr std::array<std::string_view, 4> kTies{"tie", "equal", "neither", "draw"};
  if (std::find(kTies.begin(), kTies.end(), text) != kTies.end()) return JudgeChoice::kTie;
  if (text.empty() || (text[0] != '1' && text[0] != '2')) return std::nullopt;
  const JudgeChoice choice = text[0] == '1' ? JudgeChoice::kFirst : JudgeChoice::kSecond;
  text = bare(text.substr(1));
  if (text.empty() || text == "is better" || text == "wins") return choice;
  return std::nullopt;
}

// A line that gives a verdict, or tries to: then its choice is nothing when it cannot be told.
struct VerdictLine {
  bool is_one = false;
  std::optional<JudgeChoice> choice = {};
};

VerdictLine verdict_of_line(std::string_view line) {
  const size_t at = line.rfind("verdict");
  if (at == std::string_view::npos) return {};
  std::string_view rest = line.substr(at + 7);
  const size_t colon = rest.find_first_not_of(kDecoration);
  if (colon == std::string_view::npos) return {};
  rest = rest.substr(colon);
  if (!take(rest, ":") && !take(rest, "=")) {
    const std::string_view before = bare(line.substr(0, at));
    const bool begins = before.empty() || before == "my" || before == "final" || before == "my final";
    if (!begins || !take(rest, "is ")) return {};
  }
  return {true, choice_named(rest)};
}

template <class OnLine>
void each_line(std::string_view text, OnLine on_line) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    on_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::optional<int> score_of_line(std::string_view line, const std::string& criterion) {
  line = bare(line);
  if (!take(line, criterion)) return std::nullopt;
  const size_t colon = line.find_first_not_of(kDecoration);
  if (colon == std::string_view::npos || (line[colon] != ':' && line[colon] != '=')) return std::nullopt;
  line = bare(line.substr(colon + 1));
  if (line.empty() || line[0] < '1' || line[0] > '5') return std::nullopt;
  const int score = line[0] - '0';
  line = line.substr(1);
  if (!line.empty() && line != "/5" && line != " / 5" && line != " out of 5") return std::nullopt;
  return score;
}

}  // namespace

std::optional<JudgeChoice> find_verdict(std::string_view text) {
  const auto said = without_thoughts(text);
  if (!said) return std::nullopt;
  std::optional<JudgeChoice> last;
  each_line(*said, [&](std::string_view line) {
    if (const VerdictLine found = verdict_of_line(line); found.is_one) last = found.choice;
  });
  return last;
}

std::optional<std::vector<int>> find_scores(std::string_view text, std::span<const std::string> criteria) {
  const auto said = without_thoughts(text);
  if (!said || criteria.empty()) return std::nullopt;
  std::vector<int> scores(criteria.size(), 0);
  for (size_t i = 0; i < criteria.size(); ++i) {
    const std::string criterion = lower(criteria[i]);
    each_line(*said, [&](std::string_view line) {
      if (const auto score = score_of_line(line, criterion)) scores[i] = *score;
    });
    if (scores[i] == 0) return std::nullopt;
  }
  return scores;
}

}  // namespace lora
