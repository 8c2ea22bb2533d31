#include "eval/text_overlap.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/utf8.h"

namespace lora {
namespace {

// What Python's str.split() parts words at.
bool is_python_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::vector<uint32_t> code_points(std::string_view text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    out.push_back(c.valid ? c.code_point : 0xFFFD);
    i += c.length;
  }
  return out;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    const bool space = c.valid && is_python_space(c.code_point);
    if (!space && !inside) words.emplace_back();
    if (!space) words.back().append(text.substr(i, c.length));
    inside = !space;
    i += c.length;
  }
  return words;
}

std::vector<std::string> rouge_words(std::string_view text) {
  std::string plain;
  for (const uint32_t c : code_points(text)) {
    if (c >= 'A' && c <= 'Z')
      plain += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      plain += static_cast<char>(c);
    else if (c == 0x212A)  // the Kelvin sign's small letter is k
      plain += 'k';
    else if (c == 0x130)  // İ becomes i and a dot above, which parts words
      plain += "i ";
    else
      plain += ' ';
  }
  return split_words(plain);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_stop(char c) {
  return c == '.' || c == ',';
}
bool is_set_apart(char c) {  // punctuation of the tokenizer's first rule
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

// Where `first` and `second` stand side by side, writes them with the given blanks before, between and behind.
template <class First, class Second>
std::string spaced_pairs(const std::string& text, First first, Second second, bool before, bool behind) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && first(text[i]) && second(text[i + 1])) {
      if (before) out += ' ';
      out += text[i];
      out += ' ';
      out += text[++i];
      if (behind) out += ' ';
    } else {
      out += text[i];
    }
  }
  return out;
}

// mteval-v13a's words.
std::vector<std::string> bleu_words(std::string_view line) {
  std::string text(line);
  const std::vector<std::string> filled = split_words(text);
  if (filled.empty()) return {};
  text.resize(text.rfind(filled.back()) + filled.back().size());  // rstrip
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  std::string apart = " ";
  for (const char c : text) {
    if (is_set_apart(c))
      (apart += ' ').append(1, c).append(1, ' ');
    else
      apart += c;
  }
  apart += ' ';
  const auto no_digit = [](char c) { return !is_digit(c); };
  apart = spaced_pairs(apart, no_digit, is_stop, false, true);
  apart = spaced_pairs(apart, is_stop, no_digit, true, false);
  apart = spaced_pairs(apart, is_digit, [](char c) { return c == '-'; }, false, true);
  return split_words(apart);
}

using Counts = std::map<std::vector<uint32_t>, size_t>;

Counts ngrams(const std::vector<uint32_t>& items, size_t n) {
  Counts counts;
  for (size_t i = 0; i + n <= items.size(); ++i)
    ++counts[std::vector<uint32_t>(items.begin() + static_cast<std::ptrdiff_t>(i),
                                   items.begin() + static_cast<std::ptrdiff_t>(i + n))];
  return counts;
}

size_t common(const Counts& a, const Counts& b) {
  size_t sum = 0;
  for (const auto& [gram, count] : a)
    if (const auto other = b.find(gram); other != b.end()) sum += std::min(count, other->second);
  return sum;
}

// Words as numbers, the same for the same word.
std::vector<uint32_t> numbered(const std::vector<std::string>& words,
                               std::unordered_map<std::string, uint32_t>& numbers) {
  std::vector<uint32_t> out;
  for (const std::string& word : words)
    out.push_back(numbers.try_emplace(word, static_cast<uint32_t>(numbers.size())).first->second);
  return out;
}

size_t longest_common_subsequence(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const uint32_t x : a) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = x == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

double rouge_l(std::string_view answer, std::string_view reference) {
  std::unordered_map<std::string, uint32_t> numbers;
  const auto a = numbered(rouge_words(answer), numbers), b = numbered(rouge_words(reference), numbers);
  if (a.empty() || b.empty()) return 0;
  const auto common_words = static_cast<double>(longest_common_subsequence(a, b));
  return 2 * common_words / static_cast<double>(a.size() + b.size());
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  answer_words += other.answer_words;
  reference_words += other.reference_words;
  for (size_t n = 0; n < 4; ++n) {
    matched[n] += other.matched[n];
    total[n] += other.total[n];
  }
  return *this;
}

BleuCounts bleu_counts(std::string_view answer, std::string_view reference) {
  std::unordered_map<std::string, uint32_t> numbers;
  const auto a = numbered(bleu_words(answer), numbers), b = numbered(bleu_words(reference), numbers);
  BleuCounts counts{.answer_words = a.size(), .reference_words = b.size()};
  for (size_t n = 0; n < 4; ++n) {
    counts.total[n] = a.size() > n ? a.size() - n : 0;
    counts.matched[n] = common(ngrams(a, n + 1), ngrams(b, n + 1));
  }
  return counts;
}

double bleu(const BleuCounts& counts, bool effective_order) {
  if (std::all_of(counts.matched.begin(), counts.matched.end(), [](size_t m) { return m == 0; })) return 0;
  double logs = 0, smoothing = 1;
  size_t orders = 0;
  for (size_t n = 0; n < 4; ++n) {
    if (counts.total[n] == 0) break;
    ++orders;
    const auto total = static_cast<double>(counts.total[n]);
    if (counts.matched[n] == 0) smoothing *= 2;
    logs += counts.matched[n] == 0 ? std::log(1 / (smoothing * total))
                                   : std::log(static_cast<double>(counts.matched[n]) / total);
  }
  if (!effective_order && orders < 4) return 0;
  const auto a = static_cast<double>(counts.answer_words), b = static_cast<double>(counts.reference_words);
  const double brevity = a < b ? std::exp(1 - b / a) : 1;
  return brevity * std::exp(logs / static_cast<double>(orders));
}

ChrfCounts& ChrfCounts::operator+=(const ChrfCounts& other) {
  for (size_t n = 0; n < 6; ++n) {
    answer[n] += other.answer[n];
    reference[n] += other.reference[n];
    matched[n] += other.matched[n];
  }
  return *this;
}

ChrfCounts chrf_counts(std::string_view answer, std::string_view reference) {
  auto a = code_points(answer), b = code_points(reference);
  std::erase_if(a, is_python_space);
  std::erase_if(b, is_python_space);
  ChrfCounts counts;
  for (size_t n = 0; n < 6; ++n) {
    counts.reference[n] = b.size() > n ? b.size() - n : 0;
    counts.answer[n] = counts.reference[n] > 0 && a.size() > n ? a.size() - n : 0;
    counts.matched[n] = common(ngrams(a, n + 1), ngrams(b, n + 1));
  }
  return counts;
}

double chrf(const ChrfCounts& counts) {
  constexpr double kBeta2 = 4;
  double precision = 0, recall = 0;
  size_t orders = 0;
  for (size_t n = 0; n < 6; ++n) {
    if (counts.answer[n] == 0 || counts.reference[n] == 0) continue;
    const auto matched = static_cast<double>(counts.matched[n]);
    precision += matched / static_cast<double>(counts.answer[n]);
    recall += matched / static_cast<double>(counts.reference[n]);
    ++orders;
  }
  if (orders == 0 || precision + recall == 0) return 0;
  precision /= static_cast<double>(orders);
  recall /= static_cast<double>(orders);
  return (1 + kBeta2) * precision * recall / (kBeta2 * precision + recall);
}

}  // namespace lora
