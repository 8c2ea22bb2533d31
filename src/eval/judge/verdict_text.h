// Finds a judge's verdict in its text. What is not clearly one is none: a doubtful text never counts for either side.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

enum class JudgeChoice { kFirst, kSecond, kTie };

// The last line that gives a verdict: "Verdict: 1", also in Markdown, JSON, in any case, "Verdict: answer 2 is better",
// "neither" and "equal" for a tie. When that line names both answers, or anything else, there is none. Thoughts
// (<think>…</think>) do not count; unfinished ones leave no verdict.
std::optional<JudgeChoice> find_verdict(std::string_view text);

// The last line "criterion: number" of each criterion, 1 to 5 ("4/5" too); nothing unless all are there.
std::optional<std::vector<int>> find_scores(std::string_view text, std::span<const std::string> criteria);

}  // namespace lora
