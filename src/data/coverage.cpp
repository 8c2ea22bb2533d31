#include "data/coverage.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "data/doctor.h"
#include "data/format_family.h"
#include "data/language.h"
#include "data/negative_answer.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kMostKeptPrompts = 20'000, kMostKeptFormats = 5'000, kMostListed = 12;
constexpr size_t kPromptCharacters = 400;

void count_named(std::vector<NamedCount>& counts, size_t index, std::string_view name, size_t line) {
  if (counts.size() <= index) counts.resize(index + 1);
  NamedCount& c = counts[index];
  if (c.count++ == 0) {
    c.name = std::string(name);
    c.example_line = line;
  }
}

// The commonest first; what is beyond `most` in one last entry.
std::vector<NamedCount> commonest(std::vector<NamedCount> counts, size_t most) {
  std::erase_if(counts, [](const NamedCount& c) { return c.count == 0; });
  std::sort(counts.begin(), counts.end(), [](const NamedCount& a, const NamedCount& b) {
    return a.count != b.count                 ? a.count > b.count
           : a.example_line != b.example_line ? a.example_line < b.example_line
                                              : a.name < b.name;
  });
  if (counts.size() > most + 1) {
    NamedCount rest{fmt::format("{} others", counts.size() - most), 0, counts[most].example_line};
    for (size_t i = most; i < counts.size(); ++i) rest.count += counts[i].count;
    counts.resize(most);
    counts.push_back(std::move(rest));
  }
  return counts;
}

std::string in_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

}  // namespace

LengthSummary summarize_lengths(std::vector<uint32_t> lengths, size_t bins) {
  LengthSummary out;
  out.count = lengths.size();
  out.bins.assign(std::max<size_t>(1, bins), 0);
  if (lengths.empty()) return out;
  std::sort(lengths.begin(), lengths.end());
  const auto at = [&](double share) {
    return lengths[static_cast<size_t>(share * static_cast<double>(lengths.size() - 1))];
  };
  out.least = lengths.front(), out.p5 = at(0.05), out.median = at(0.5), out.p95 = at(0.95),
  out.most = lengths.back();
  double sum = 0;
  for (const uint32_t n : lengths) sum += n;
  out.mean = sum / static_cast<double>(lengths.size());
  // Widths people can read: 1, 2 or 5 times a power of ten.
  const double wanted = static_cast<double>(at(0.99)) / static_cast<double>(out.bins.size()) + 1e-9;
  uint64_t width = 1;
  for (size_t i = 0; static_cast<double>(width) < wanted; ++i)
    width = width / (i % 3 == 1 ? 2 : 1) * (i % 3 == 1 ? 5 : 2);
  out.bin_width = static_cast<uint32_t>(std::min<uint64_t>(width, UINT32_MAX));
  for (const uint32_t n : lengths) ++out.bins[std::min<size_t>(n / out.bin_width, out.bins.size() - 1)];
  return out;
}

void Coverage::see(const Conversation& row, size_t line, size_t tokens) {
  ++rows_;
  tokens_.push_back(static_cast<uint32_t>(std::min<size_t>(tokens, UINT32_MAX)));
  if (row.is_plain_text()) {
    answer_lengths_.push_back(static_cast<uint32_t>(character_count(row.text)));
    topics_.add(row.text, line);
    const Language language = guess_language(row.text);
    count_named(answer_languages_, static_cast<size_t>(language), language_name(language), line);
    return;
  }
  const bool has_system = row.messages[0].role == "system";
  const std::string_view system = has_system ? std::string_view(row.messages[0].content) : std::string_view();
  const uint64_t hash = system.empty() ? 0 : XXH3_64bits(system.data(), system.size());
  const auto known = prompts_.find(hash);
  Prompt& prompt = known != prompts_.end() ? known->second
                                           : prompts_[prompts_.size() < kMostKeptPrompts ? hash : UINT64_MAX];
  if (prompt.rows++ == 0) {
    prompt.text =
        prompts_.size() >= kMostKeptPrompts ? "(others)" : first_characters(system, kPromptCharacters);
    prompt.first_line = line;
    prompt.kinds.resize(kFormatKinds);
    if (prompts_.size() < 1000) prompt.fallbacks = fallback_words(system);
  }
  std::string question;
  for (const Message& m : row.messages) {
    if (m.role == "user") {
      question_lengths_.push_back(static_cast<uint32_t>(character_count(m.content)));
      if (question.size() < 2000) question += m.content + "\n";
    }
    if (m.role != "assistant" || m.content.empty()) continue;
    ++answers_;
    ++prompt.answers;
    const FormatFamily family = format_family(m.content);
    const bool negative = is_negative_answer(m.content, prompt.fallbacks);
    negative_ += negative;
    prompt.negative += negative;
    ++prompt.kinds[static_cast<size_t>(family.kind)];
    answer_lengths_.push_back(static_cast<uint32_t>(character_count(m.content)));
    if (formats_.size() < kMostKeptFormats || formats_.contains(family.id)) {
      NamedCount& f = formats_[family.id];
      if (f.count++ == 0) f.name = family.name(), f.example_line = line;
    }
    if (family.kind == FormatKind::kShortText || family.kind == FormatKind::kYesNo) {
      ++short_answers_;
      labels_.add(trimmed_text(m.content), static_cast<uint32_t>(line));
    }
    const bool text = is_prose_format(family.kind);
    const Language language = text ? guess_language(m.content) : Language::kUnknown;
    count_named(answer_languages_, static_cast<size_t>(language), text ? language_name(language) : "unknown",
                line);
  }
  const Language language = guess_language(question);
  count_named(question_languages_, static_cast<size_t>(language), language_name(language), line);
  topics_.add(question, line);
}

void Coverage::fit() {
  if (!fitted_) topics_.fit();
  fitted_ = true;
}

DataSummary Coverage::summary(size_t max_seq_length, bool tokens_estimated) {
  fit();
  DataSummary out;
  out.rows = rows_;
  out.answers = answers_;
  out.negative = negative_;
  out.question_characters = summarize_lengths(question_lengths_);
  out.answer_characters = summarize_lengths(answer_lengths_);
  out.row_tokens = summarize_lengths(tokens_);
  out.tokens_estimated = tokens_estimated;
  out.max_seq_length = max_seq_length;
  for (const uint32_t n : tokens_) {
    out.tokens += n;
    out.rows_over += max_seq_length > 0 && n > max_seq_length;
  }
  std::vector<const Prompt*> prompts;
  for (const auto& [hash, prompt] : prompts_) prompts.push_back(&prompt);
  std::sort(prompts.begin(), prompts.end(), [](const Prompt* a, const Prompt* b) {
    return a->rows != b->rows ? a->rows > b->rows : a->first_line < b->first_line;
  });
  out.different_prompts = prompts.size();
  PromptSummary rest;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Prompt& p = *prompts[i];
    if (i >= kMostPrompts && prompts.size() > kMostPrompts + 1) {
      rest.rows += p.rows, rest.answers += p.answers, rest.negative += p.negative;
      if (rest.first_line == 0) rest.first_line = p.first_line;
      continue;
    }
    const auto main = std::max_element(p.kinds.begin(), p.kinds.end());
    out.prompts.push_back({p.text, p.rows, p.answers, p.negative, p.first_line,
                           std::string(format_kind_name(static_cast<FormatKind>(main - p.kinds.begin()))),
                           p.answers == 0 ? 0 : static_cast<double>(*main) / static_cast<double>(p.answers)});
  }
  if (rest.rows > 0) {
    rest.text = fmt::format("{} other system prompts", prompts.size() - kMostPrompts);
    out.prompts.push_back(std::move(rest));
  }
  std::vector<NamedCount> formats;
  for (const auto& [id, format] : formats_) formats.push_back(format);
  out.formats = commonest(std::move(formats), kMostListed);
  if (labels_.is_closed() && short_answers_ * 5 >= answers_) {
    std::vector<NamedCount> classes;
    for (const auto& label : labels_.labels()) classes.push_back({label.text, label.count, label.first_seen});
    out.classes = commonest(std::move(classes), 20);
  }
  out.question_languages = commonest(question_languages_, kMostListed);
  out.answer_languages = commonest(answer_languages_, kMostListed);
  out.topics = topics_.topics();
  out.points = topics_.points(800);
  out.topic_sample = topics_.sampled();
  return out;
}

std::vector<std::string> Coverage::gaps(Coverage& held_out) {
  fit();
  std::vector<std::string> out;
  // System prompts.
  size_t foreign_rows = 0, foreign_prompts = 0, first_line = 0;
  for (const auto& [hash, prompt] : held_out.prompts_) {
    if (prompts_.contains(hash)) continue;
    ++foreign_prompts;
    foreign_rows += prompt.rows;
    first_line = first_line == 0 ? prompt.first_line : std::min(first_line, prompt.first_line);
  }
  // Where every row has a prompt of its own, new ones are to be expected.
  const bool own_prompts = prompts_.size() * 2 > rows_;
  if (foreign_rows > 0 && !own_prompts)
    out.push_back(fmt::format(
        "{} of {} held-out rows have a system prompt that no row here has (the first at its line {})",
        foreign_rows, held_out.rows_, first_line));
  // Forms of answers, by kind.
  std::vector<size_t> kinds(kFormatKinds), held_kinds(kFormatKinds);
  for (const auto& [hash, p] : prompts_)
    for (size_t k = 0; k < p.kinds.size(); ++k) kinds[k] += p.kinds[k];
  for (const auto& [hash, p] : held_out.prompts_)
    for (size_t k = 0; k < p.kinds.size(); ++k) held_kinds[k] += p.kinds[k];
  for (size_t k = 0; k < kFormatKinds; ++k)
    if (kinds[k] == 0 && held_kinds[k] >= 2)
      out.push_back(fmt::format("{} held-out answers are {}; no answer here is", held_kinds[k],
                                format_kind_name(static_cast<FormatKind>(k))));
  // Classes.
  if (labels_.is_closed()) {
    std::vector<std::string> missing;
    size_t rows = 0;
    for (const auto& label : held_out.labels_.labels()) {
      const bool known =
          std::ranges::any_of(labels_.labels(), [&](const auto& l) { return l.text == label.text; });
      if (known) continue;
      rows += label.count;
      if (missing.size() < 5) missing.push_back(fmt::format("\"{}\"", label.text));
    }
    if (rows > 0)
      out.push_back(
          fmt::format("{} held-out answers are labels that no answer here is: {}", rows, in_words(missing)));
  }
  // Languages.
  const auto has = [](const std::vector<NamedCount>& counts, size_t i) {
    return i < counts.size() && counts[i].count > 0;
  };
  for (size_t l = 1; l < held_out.question_languages_.size(); ++l)
    if (held_out.question_languages_[l].count >= 2 && !has(question_languages_, l))
      out.push_back(fmt::format("{} held-out questions are in {}; none here is",
                                held_out.question_languages_[l].count, held_out.question_languages_[l].name));
  // Negative answers.
  if (negative_ == 0 && held_out.negative_ > 0)
    out.push_back(fmt::format("{} of {} held-out answers say no or leave a field empty; none here does",
                              held_out.negative_, held_out.answers_));
  // Lengths.
  if (!question_lengths_.empty()) {
    const uint32_t longest = *std::max_element(question_lengths_.begin(), question_lengths_.end());
    const auto longer = std::ranges::count_if(held_out.question_lengths_,
                                              [&](uint32_t n) { return n > longest + longest / 4; });
    if (longer > 0)
      out.push_back(fmt::format("{} held-out questions are far longer than the longest here ({} characters)",
                                longer, longest));
  }
  // Topics: held-out texts with no near text here, by what is usual here.
  const std::vector<double> usual = topics_.usual();
  if (usual.size() >= 20 && !topics_.topics().empty()) {
    const double edge = 0.75 * usual[usual.size() / 50];
    size_t far = 0, example = 0;
    std::vector<std::string> words;
    for (size_t i = 0; i < held_out.topics_.sampled(); ++i) {
      const std::string& text = held_out.topics_.text(i);
      if (trimmed_text(text).size() < 20 || topics_.nearest(text) >= edge) continue;
      if (far++ == 0) example = held_out.topics_.line(i);
      if (words.size() < 5)
        for (std::string& word : topics_.new_words(text, 2)) words.push_back(std::move(word));
    }
    if (far >= 2 && far * 20 >= held_out.topics_.sampled())
      out.push_back(fmt::format(
          "{} of {} held-out questions are about what no question here is about{} (the first at its line {})",
          far, held_out.topics_.sampled(), words.empty() ? "" : ": " + in_words(words), example));
  }
  return out;
}

namespace {

class CoverageCheck : public DataCheck {
 public:
  CoverageCheck(Coverage& coverage, Coverage* held_out) : coverage_(coverage), held_out_(held_out) {}

  void see(const Row& row, Findings&) override {
    coverage_.see(row.conversation, row.line,
                  row.tokens > 0 ? row.tokens : estimate_tokens(row.conversation, SIZE_MAX).tokens);
  }
  void finish(const Reread&, Findings& findings) override {
    if (held_out_ == nullptr) return;
    for (std::string& gap : coverage_.gaps(*held_out_))
      findings.add("coverage-gap", 1, 1, std::move(gap),
                   "Add rows of this kind, or take them out of the held-out set.");
  }

 private:
  Coverage& coverage_;
  Coverage* held_out_;
};

}  // namespace

std::unique_ptr<DataCheck> make_coverage_check(Coverage& coverage, Coverage* held_out) {
  return std::make_unique<CoverageCheck>(coverage, held_out);
}

}  // namespace lora
