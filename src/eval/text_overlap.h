// How much of a reference text an answer has: ROUGE-L, BLEU, chrF, from 0 to 1. Equal to rouge-score 0.1.2 (rougeL, no
// stemmer) and sacrebleu 2.6 (BLEU with 13a tokens and exponential smoothing, chrF2), whose numbers are 100 times these.
// They count words and characters that agree, and say nothing of meaning.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace lora {

// F1 of the longest common subsequence of words (runs of a-z and 0-9, small letters) (Lin 2004).
double rouge_l(std::string_view answer, std::string_view reference);

// Counts that add up over a corpus.
struct BleuCounts {
  size_t answer_words = 0, reference_words = 0;
  std::array<size_t, 4> matched{}, total{};  // n-grams of the answer
  BleuCounts& operator+=(const BleuCounts& other);
};
BleuCounts bleu_counts(std::string_view answer, std::string_view reference);
// Of a corpus; `effective_order` leaves out orders that the answer is too short for, as a single sentence needs it
// (Papineni et al. 2002; Post 2018).
double bleu(const BleuCounts& counts, bool effective_order);

struct ChrfCounts {
  std::array<size_t, 6> answer{}, reference{}, matched{};  // character n-grams, white space left out
  ChrfCounts& operator+=(const ChrfCounts& other);
};
ChrfCounts chrf_counts(std::string_view answer, std::string_view reference);
double chrf(const ChrfCounts& counts);  // beta 2, orders 1 to 6 (Popović 2015)

}  // namespace lora
