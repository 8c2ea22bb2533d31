#include "data/near_duplicates.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/hash.h"
#include "data/minhash.h"

namespace lora {
namespace {

constexpr size_t kAllPairs = 64;           // a bucket up to this size is compared each with each
constexpr size_t kWindow = 6;              // in a larger one, with this many before it, and with its first
constexpr uint16_t kMostComparisons = 48;  // of a text with earlier ones
constexpr size_t kFewEquals = 8;           // equal texts up to this number are all paired
constexpr size_t kRecent = size_t{1} << 18;
constexpr size_t kBlock = 4096;  // texts whose band keys are written together

// Band keys of all texts, to be read again band by band.
class BandKeys {
 public:
  explicit BandKeys(size_t memory_budget) : file_(memory_budget) {}

  // Texts in ascending order.
  void add(uint32_t text, const MinHash::Keys& keys) {
    texts_.push_back(text);
    for (size_t band = 0; band < MinHash::kBands; ++band) block_[band].push_back(keys[band]);
    if (block_[0].size() == kBlock) write_block();
  }

  // (key << 32 | text) of every text, sorted.
  void read_band(size_t band, std::vector<uint64_t>& out) {
    write_block();
    out.clear();
    std::vector<uint32_t> keys;
    for (const auto& [offset, size] : blocks_) {
      keys.resize(size);
      file_.read(offset + band * size * sizeof(uint32_t), std::as_writable_bytes(std::span(keys)));
      for (const uint32_t key : keys) out.push_back(uint64_t{key} << 32 | texts_[out.size()]);
    }
    std::sort(out.begin(), out.end());
  }

 private:
  void write_block() {
    const size_t size = block_[0].size();
    if (size == 0) return;
    blocks_.emplace_back(file_.size(), size);
    for (auto& keys : block_) {
      file_.append(std::as_bytes(std::span(keys)));
      keys.clear();
    }
  }

  SpillFile file_;
  std::vector<uint32_t> texts_;
  std::array<std::vector<uint32_t>, MinHash::kBands> block_;
  std::vector<std::pair<uint64_t, size_t>> blocks_;  // offset in the file, texts
};

// How many texts hold a shingle: a table without chains, so a count may be too high, never too low.
class ShingleCounts {
 public:
  explicit ShingleCounts(size_t texts)
      : limit_(std::max<size_t>(kAllPairs, texts / 200)),
        counts_(std::bit_ceil(std::clamp(texts * 64, size_t{1} << 12, size_t{1} << 22))) {}
  void add(std::span<const uint32_t> set) {
    for (const uint32_t shingle : set) ++counts_[slot(shingle)];
  }
  void remove_common(std::vector<uint32_t>& set) const {
    std::erase_if(set, [&](uint32_t shingle) { return counts_[slot(shingle)] > limit_; });
  }

 private:
  size_t slot(uint32_t shingle) const { return mix64(shingle) & (counts_.size() - 1); }
  size_t limit_;
  std::vector<uint32_t> counts_;
};

// Sets of shingles, the latest kept: the texts of a bucket are asked for again and again.
class RecentSets {
 public:
  explicit RecentSets(const WordStore& texts) : texts_(texts), entries_(kEntries) {}
  size_t size_of(uint32_t text) { return get(text).size(); }
  double similarity(uint32_t a, uint32_t b) {
    if (slot(a) != slot(b)) return jaccard(get(a), get(b));
    const std::vector<uint32_t> copy = get(a);
    return jaccard(copy, get(b));
  }

 private:
  static constexpr size_t kEntries = 512;
  struct Entry {
    uint64_t text = UINT64_MAX;
    std::vector<uint32_t> set;
  };
  static size_t slot(uint32_t text) { return mix64(text) % kEntries; }
  const std::vector<uint32_t>& get(uint32_t text) {
    Entry& entry = entries_[slot(text)];
    if (entry.text != text) {
      texts_.read(text, words_);
      shingles_of(words_, entry.set);
      entry.text = text;
    }
    return entry.set;
  }

  const WordStore& texts_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> words_;
};

class Search {
 public:
  Search(const WordStore& texts, const NearOptions& options)
      : texts_(texts), options_(options), comparisons_(texts.size()), recent_(kRecent), sets_(texts) {}

  std::vector<NearPair> run() {
    tie_equal_texts();
    compare(false);
    if (options_.look_past_boilerplate) compare(true);
    keep_best();
    pass_on_to_equals();
    keep_best();
    return std::move(pairs_);
  }

 private:
  // Equal texts are tied to the first of them, which alone is compared with others.
  void tie_equal_texts() {
    std::vector<std::pair<uint64_t, uint32_t>> hashes;
    std::vector<uint32_t> words;
    for (size_t text = 0; text < texts_.size(); ++text) {
      texts_.read(text, words);
      if (!words.empty())
        hashes.emplace_back(XXH3_64bits(words.data(), words.size() * sizeof(uint32_t)),
                            static_cast<uint32_t>(text));
    }
    std::sort(hashes.begin(), hashes.end());
    for (size_t begin = 0; begin < hashes.size();) {
      size_t end = begin + 1;
      while (end < hashes.size() && hashes[end].first == hashes[begin].first) ++end;
      const uint32_t first = hashes[begin].second;
      const bool few = end - begin <= kFewEquals;
      std::unordered_map<uint64_t, uint32_t> with_label;  // the first text
      distinct_.push_back(first);
      for (size_t i = begin; i < end; ++i) {
        const uint32_t text = hashes[i].second;
        if (i > begin) {
          equals_.emplace_back(first, text);
          add_pair(first, text, 1);
        }
        if (few) {
          for (size_t k = begin + 1; k < i; ++k) add_pair(hashes[k].second, text, 1);
        } else if (const uint64_t label = label_of(text); label != 0) {
          const auto [at, is_new] = with_label.try_emplace(label, text);
          if (!is_new) add_pair(at->second, text, 1);
        }
      }
      begin = end;
    }
    std::sort(distinct_.begin(), distinct_.end());
    std::sort(equals_.begin(), equals_.end());
  }

  void add_pair(uint32_t a, uint32_t b, float similarity) {
    if (options_.border == 0 || (a < options_.border && b >= options_.border))
      pairs_.push_back({std::min(a, b), std::max(a, b), similarity});
  }

  uint64_t label_of(uint32_t text) const { return options_.labels.empty() ? 0 : options_.labels[text]; }

  // The text and those equal to it; of more than `most` the first ones.
  std::vector<uint32_t> with_equals(uint32_t text, size_t most) const {
    std::vector<uint32_t> all{text};
    for (auto at = std::lower_bound(equals_.begin(), equals_.end(), std::pair(text, uint32_t{0}));
         at != equals_.end() && at->first == text && all.size() < most; ++at)
      all.push_back(at->second);
    return all;
  }

  // What is close to a text is close to its equals. Across a border to all of them: one that is left out there is taken
  // for a text that nothing before the border is close to.
  void pass_on_to_equals() {
    if (equals_.empty()) return;
    const size_t most = options_.border != 0 ? SIZE_MAX : kFewEquals;
    const std::vector<NearPair> found = pairs_;
    size_t room = std::max(kManyPairs, 2 * found.size());
    for (const NearPair& pair : found) {
      if (!std::binary_search(distinct_.begin(), distinct_.end(), pair.second)) continue;  // equal itself
      const std::vector<uint32_t> near = with_equals(pair.first, kFewEquals);
      for (const uint32_t b : with_equals(pair.second, most))
        for (const uint32_t a : near) add_pair(a, b, pair.similarity);
      if (options_.most_per_text == 0 || pairs_.size() <= room) continue;
      keep_best();
      room = std::max(kManyPairs, 2 * pairs_.size());
    }
  }

  void compare(bool past_boilerplate) {
    std::vector<uint32_t> words, set;
    std::optional<ShingleCounts> counts;
    if (past_boilerplate) {
      counts.emplace(distinct_.size());
      for (const uint32_t text : distinct_) {
        texts_.read(text, words);
        shingles_of(words, set);
        counts->add(set);
      }
    }
    const MinHash minhash(past_boilerplate);
    BandKeys keys(options_.memory_budget);
    for (const uint32_t text : distinct_) {
      texts_.read(text, words);
      shingles_of(words, set);
      if (counts) {
        const size_t before = set.size();
        counts->remove_common(set);
        if (set.size() == before) continue;  // nothing new to be seen
      }
      if (!set.empty()) keys.add(text, minhash.keys(set));
    }
    counts.reset();
    std::vector<uint64_t> band;
    std::fill(comparisons_.begin(), comparisons_.end(), 0);
    for (size_t b = 0; b < MinHash::kBands; ++b) {
      keys.read_band(b, band);
      for (size_t begin = 0; begin < band.size();) {
        size_t end = begin + 1;
        while (end < band.size() && band[end] >> 32 == band[begin] >> 32) ++end;
        if (end - begin > 1) compare_bucket(std::span(band).subspan(begin, end - begin));
        begin = end;
      }
      if (options_.most_per_text != 0 && pairs_.size() > kManyPairs) keep_best();
    }
  }

  void compare_bucket(std::span<const uint64_t> bucket) {
    const auto text = [&](size_t i) { return static_cast<uint32_t>(bucket[i]); };
    size_t across = 0;  // texts before the border
    if (options_.border != 0)
      while (across < bucket.size() && text(across) < options_.border) ++across;
    for (size_t j = std::max<size_t>(1, across); j < bucket.size(); ++j) {
      const size_t end = options_.border != 0 ? across : j;
      if (end == 0) return;
      const size_t begin = bucket.size() <= kAllPairs || end <= kWindow ? 0 : end - kWindow;
      for (size_t i = end; i-- > begin;) compare_pair(text(i), text(j));
      if (begin > 0) compare_pair(text(0), text(j));
    }
  }

  void compare_pair(uint32_t a, uint32_t b) {
    if (comparisons_[b] >= kMostComparisons) return;
    const uint64_t pair = uint64_t{a} << 32 | b;
    uint64_t& recent = recent_[mix64(pair) & (kRecent - 1)];
    if (recent == pair) return;
    recent = pair;
    ++comparisons_[b];
    const size_t size_a = sets_.size_of(a), size_b = sets_.size_of(b);
    if (static_cast<double>(std::min(size_a, size_b)) <
        options_.threshold * static_cast<double>(std::max(size_a, size_b)))
      return;
    const double similarity = sets_.similarity(a, b);
    if (similarity >= options_.threshold) add_pair(a, b, static_cast<float>(similarity));
  }

  void keep_best() {
    std::sort(pairs_.begin(), pairs_.end(), [](const NearPair& a, const NearPair& b) {
      return std::tie(a.second, a.first) < std::tie(b.second, b.first);
    });
    pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
    if (options_.most_per_text == 0) return;
    size_t kept = 0;
    for (size_t begin = 0; begin < pairs_.size();) {
      size_t end = begin + 1;
      while (end < pairs_.size() && pairs_[end].second == pairs_[begin].second) ++end;
      const auto at = [&](size_t i) { return pairs_.begin() + static_cast<ptrdiff_t>(i); };
      std::stable_sort(at(begin), at(end),
                       [](const NearPair& a, const NearPair& b) { return a.similarity > b.similarity; });
      size_t equal_labels = 0;
      for (size_t i = begin; i < end; ++i) {
        const NearPair pair = pairs_[i];
        const bool equal = label_of(pair.first) != 0 && label_of(pair.first) == label_of(pair.second);
        if (i - begin < options_.most_per_text || (equal && equal_labels < options_.most_per_text))
          pairs_[kept++] = pair;
        if (equal) ++equal_labels;
      }
      begin = end;
    }
    pairs_.resize(kept);
  }

  static constexpr size_t kManyPairs = size_t{2} << 20;

  const WordStore& texts_;
  const NearOptions& options_;
  std::vector<uint32_t> distinct_;                     // the first of each set of equal texts
  std::vector<std::pair<uint32_t, uint32_t>> equals_;  // (first, each of the others), sorted
  std::vector<uint16_t> comparisons_;
  std::vector<uint64_t> recent_;  // pairs compared a short while ago
  std::vector<NearPair> pairs_;
  RecentSets sets_;
};

}  // namespace

void WordStore::add(std::span<const uint32_t> words) {
  begin_.push_back(words_.append(std::as_bytes(words)) / sizeof(uint32_t));
}

size_t WordStore::length(size_t text) const {
  return (text + 1 < begin_.size() ? begin_[text + 1] : words_.size() / sizeof(uint32_t)) - begin_[text];
}

void WordStore::read(size_t text, std::vector<uint32_t>& out) const {
  out.resize(length(text));
  words_.read(begin_[text] * sizeof(uint32_t), std::as_writable_bytes(std::span(out)));
}

std::vector<uint32_t> WordStore::read(size_t text) const {
  std::vector<uint32_t> words;
  read(text, words);
  return words;
}

std::vector<NearPair> find_near_duplicates(const WordStore& texts, const NearOptions& options) {
  return Search(texts, options).run();
}

void shingles_of(std::span<const uint32_t> words, std::vector<uint32_t>& out) {
  out.assign(words.begin(), words.end());
  for (size_t i = 1; i < words.size(); ++i)
    out.push_back(static_cast<uint32_t>(mix64(uint64_t{words[i - 1]} << 32 | words[i]) >> 32));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

double jaccard(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  if (a.empty() && b.empty()) return 1;
  size_t shared = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      ++shared;
      ++i;
      ++j;
    } else if (a[i] < b[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return static_cast<double>(shared) / static_cast<double>(a.size() + b.size() - shared);
}

}  // namespace lora
