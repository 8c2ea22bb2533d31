#include "data/checks/inconsistent_system_prompt.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/text_difference.h"
#include "data/word_difference.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr size_t kMostPrompts = 2000;  // different ones that are kept: more are not slips of a few
constexpr size_t kMostPlaces = 1000;   // rows remembered of a prompt
constexpr size_t kLeastUsual = 5;      // rows of a prompt that others can be slips of
constexpr size_t kMostSlips = 3;       // rows of a slip, or 2 % of the usual prompt's
constexpr size_t kFewWords = 2;        // that a slip may change, or a tenth of the words, at most kManyWords
constexpr size_t kManyWords = 8;
constexpr size_t kFillings = 3;  // so many different fillings make a place one that is filled in
constexpr size_t kAnchor = 32;   // bytes between known columns

struct Place {
  size_t line, column;  // of the prompt's first character
};

struct Prompt {
  std::string text;
  size_t rows = 0;
  std::vector<Place> places;
  std::vector<size_t> columns;  // of every kAnchor-th byte, in the first row
};

// Characters that `text` takes in a JSON string, escaped no more than needed.
size_t width_in_json(std::string_view text) {
  size_t width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;
    const bool short_escape =
        c == '"' || c == '\\' ||
        (byte < 0x20 && std::string_view("\n\t\r\b\f").find(c) != std::string_view::npos);
    width += short_escape ? 2 : byte < 0x20 ? 6 : 1;
  }
  return width;
}

size_t column_at(const Prompt& prompt, const Place& place, size_t offset) {
  const size_t anchor = std::min(offset / kAnchor, prompt.columns.size() - 1);
  const size_t from = anchor * kAnchor;
  return place.column + (prompt.columns[anchor] - prompt.columns[0]) +
         width_in_json(std::string_view(prompt.text).substr(from, offset - from));
}

struct Slip {
  const Prompt* prompt;
  const Prompt* usual;
  size_t changed;           // words
  std::vector<Hunk> hunks;  // a: the slip, b: the usual prompt
};

class InconsistentSystemPromptCheck : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    const Conversation& conversation = row.conversation;
    if (conversation.is_plain_text()) return;
    ++rows_;
    if (conversation.messages.front().role != "system") {
      ++without_;
      if (without_lines_.size() < Findings::kMostPerCode) without_lines_.push_back(row.line);
      return;
    }
    const std::string& text = conversation.messages.front().content;
    const auto [at, is_new] = index_.try_emplace(XXH3_64bits(text.data(), text.size()), prompts_.size());
    if (is_new) {
      if (prompts_.size() == kMostPrompts) {
        index_.erase(at);
        return;
      }
      prompts_.push_back({.text = text, .places = {}, .columns = {}});
      for (size_t offset = 0; offset == 0 || offset < text.size(); offset += kAnchor)
        prompts_.back().columns.push_back(row.column(0, offset));
    }
    Prompt& prompt = prompts_[at->second];
    if (++prompt.rows <= kMostPlaces)
      prompt.places.push_back({row.line, is_new ? prompt.columns[0] : row.column(0, 0)});
  }

  void finish(const Reread&, Findings& findings) override {
    say_missing(findings);
    std::vector<Slip> slips = find_slips();
    // Places of the usual prompts that rows fill in: with how many different fillings.
    std::map<std::pair<const Prompt*, size_t>, size_t> fillings;
    for (const Slip& slip : slips)
      for (const Hunk& hunk : slip.hunks) ++fillings[{slip.usual, hunk.b_begin}];
    for (const Slip& slip : slips) {
      const bool filled_in =
          !slip.hunks.empty() && std::all_of(slip.hunks.begin(), slip.hunks.end(), [&](const Hunk& hunk) {
            return fillings[{slip.usual, hunk.b_begin}] >= kFillings && hunk.a_begin < hunk.a_end &&
                   hunk.b_begin < hunk.b_end;
          });
      if (filled_in) continue;
      const TextDifference difference = text_difference(slip.prompt->text, slip.usual->text);
      for (const Place& place : slip.prompt->places)
        findings.add(
            "inconsistent-system-prompt", place.line, column_at(*slip.prompt, place, difference.offset),
            fmt::format("this system prompt differs a little from that of {} other rows (line {}): {}",
                        slip.usual->rows, slip.usual->places.front().line, difference.words),
            "Write the same system prompt in every row that is asked the same way, and use it later too.");
    }
  }

 private:
  void say_missing(Findings& findings) const {
    const size_t with = rows_ - without_;
    if (with < 2 * kLeastUsual || without_ * 10 > rows_) return;
    for (const size_t line : without_lines_)
      findings.add("inconsistent-system-prompt", line, 1,
                   fmt::format("this row has no system prompt; {} of {} rows have one", with, rows_),
                   "Give it the system prompt of the others, or remove it.");
  }

  std::vector<Slip> find_slips() const {
    std::vector<const Prompt*> usual;
    for (const Prompt& prompt : prompts_)
      if (prompt.rows >= kLeastUsual) usual.push_back(&prompt);
    std::sort(usual.begin(), usual.end(), [](const Prompt* a, const Prompt* b) { return a->rows > b->rows; });
    if (usual.size() > kMostUsual) usual.resize(kMostUsual);
    std::vector<Slip> slips;
    for (const Prompt& prompt : prompts_) {
      const Slip* best = nullptr;
      Slip candidate;
      std::vector<Slip> found;
      for (const Prompt* other : usual) {
        if (prompt.rows > std::max(kMostSlips, other->rows / 50) || prompt.rows * kLeastUsual > other->rows)
          continue;
        if (is_slip(prompt, *other, candidate)) found.push_back(candidate);
      }
      for (const Slip& slip : found)
        if (best == nullptr || slip.changed < best->changed) best = &slip;
      if (best != nullptr) slips.push_back(*best);
    }
    return slips;
  }

  static bool is_slip(const Prompt& prompt, const Prompt& usual, Slip& slip) {
    const size_t size = prompt.text.size(), usual_size = usual.text.size();
    if (std::min(size, usual_size) * 2 < std::max(size, usual_size)) return false;
    std::vector<uint32_t> a, b;
    append_word_hashes(prompt.text, a);
    append_word_hashes(usual.text, b);
    slip = {&prompt, &usual, 0, word_difference(a, b)};
    for (const Hunk& hunk : slip.hunks)
      slip.changed += std::max(hunk.a_end - hunk.a_begin, hunk.b_end - hunk.b_begin);
    return slip.changed <= std::clamp(b.size() / 10, kFewWords, kManyWords) && slip.changed * 3 <= b.size();
  }

  static constexpr size_t kMostUsual = 50;

  std::vector<Prompt> prompts_;
  std::unordered_map<uint64_t, size_t> index_;
  size_t rows_ = 0, without_ = 0;
  std::vector<size_t> without_lines_;
};

}  // namespace

std::unique_ptr<DataCheck> make_inconsistent_system_prompt_check() {
  return std::make_unique<InconsistentSystemPromptCheck>();
}

}  // namespace lora
