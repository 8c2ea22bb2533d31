#include "data/topic_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/hash.h"
#include "base/random.h"
#include "base/utf8.h"
#include "data/language.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kKeptBytes = 1200;  // of a text
constexpr size_t kLeastTexts = 8;
constexpr double kTemplateShare = 0.3;      // a word of more texts than that belongs to the template
constexpr size_t kMostVocabulary = 12'000;  // words by frequency
constexpr size_t kRounds = 25;
constexpr uint64_t kSeed = 0x746f70696373;  // any: the same for all

bool is_ideograph(uint32_t c) {
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xE00 && c <= 0xE7F);
}

// Words of three letters or more; pairs of characters where a script has no blanks. Numbers say nothing.
template <class Each>
void each_topic_word(std::string_view text, Each&& each) {
  const std::string folded = folded_text(text.substr(0, kKeptBytes));
  std::string word, previous;
  size_t letters = 0;
  const auto end_word = [&] {
    if (letters >= 3 && word.size() <= 40 && !is_frequent_word(word)) each(word);
    word.clear();
    letters = 0;
  };
  for (size_t i = 0; i < folded.size();) {
    const Utf8Char c = utf8_at(folded, i);
    const std::string_view bytes = std::string_view(folded).substr(i, c.length);
    i += c.length;
    if (!c.valid) break;  // a text that was cut
    if (is_ideograph(c.code_point)) {
      end_word();
      if (!previous.empty()) each(previous + std::string(bytes));
      previous = std::string(bytes);
      continue;
    }
    previous.clear();
    if (is_word_character(c.code_point) &&
        !(c.code_point < 0x80 && is_ascii_digit(static_cast<char>(c.code_point)))) {
      word += bytes;
      ++letters;
    } else {
      end_word();
    }
  }
  end_word();
}

}  // namespace

void TopicModel::add(std::string_view text, size_t line) {
  const uint64_t order = mix64(added_++);
  if (sample_.size() == kMostTexts) {
    if (order > sample_.front().order) return;
    std::pop_heap(sample_.begin(), sample_.end());
    sample_.pop_back();
  }
  sample_.push_back({order, line, std::string(text.substr(0, kKeptBytes))});
  std::push_heap(sample_.begin(), sample_.end());
}

void TopicModel::choose_words() {
  std::unordered_map<std::string, uint32_t> texts_with;
  for (const Sampled& s : sample_) {
    std::set<std::string> once;
    each_topic_word(s.text, [&](const std::string& word) {
      if (once.size() < kMostWords) once.insert(word);
    });
    for (const std::string& word : once) ++texts_with[word];
  }
  const double n = static_cast<double>(sample_.size());
  std::vector<std::pair<uint32_t, std::string>> kept;
  for (const auto& [word, count] : texts_with)
    if (count >= 2 && count <= std::max(2.0, kTemplateShare * n)) kept.push_back({count, word});
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (kept.size() > kMostVocabulary) kept.resize(kMostVocabulary);
  for (const auto& [count, word] : kept) {
    ids_[word] = static_cast<uint32_t>(words_.size());
    words_.push_back(word);
    idf_.push_back(static_cast<float>(std::log(n / count)));
  }
}

TopicModel::Vector TopicModel::vector_of(std::string_view text) const {
  std::map<uint32_t, float> counts;
  each_topic_word(text, [&](const std::string& word) {
    if (const auto at = ids_.find(word); at != ids_.end() && counts.size() < kMostWords) ++counts[at->second];
  });
  Vector out;
  double length = 0;
  for (const auto& [word, count] : counts) {
    const float weight = (1 + std::log(count)) * idf_[word];
    out.push_back({word, weight});
    length += double{weight} * weight;
  }
  for (Entry& e : out) e.weight = static_cast<float>(e.weight / std::sqrt(length));
  return out;
}

void TopicModel::fit() {
  topics_.clear();
  std::sort(sample_.begin(), sample_.end(),
            [](const Sampled& a, const Sampled& b) { return a.line < b.line; });
  if (sample_.size() < kLeastTexts) return;
  choose_words();
  postings_.resize(words_.size());
  size_t with_words = 0;
  for (uint32_t i = 0; i < sample_.size(); ++i) {
    vectors_.push_back(vector_of(sample_[i].text));
    with_words += !vectors_.back().empty();
    for (const Entry& e : vectors_.back()) postings_[e.word].push_back({i, e.weight});
  }
  if (with_words < kLeastTexts) return;
  cluster();
  name_clusters();
  project();
}

void TopicModel::cluster() {
  const size_t n = vectors_.size(), dims = words_.size();
  const size_t k = std::clamp<size_t>(static_cast<size_t>(std::sqrt(static_cast<double>(n) / 4)), 2, 12);
  const auto dot = [](const Vector& v, const std::vector<float>& centre) {
    float sum = 0;
    for (const Entry& e : v) sum += e.weight * centre[e.word];
    return sum;
  };
  const auto as_centre = [&](const Vector& v) {
    std::vector<float> centre(dims);
    for (const Entry& e : v) centre[e.word] = e.weight;
    return centre;
  };
  // k-means++ (Arthur and Vassilvitskii 2007) over 1 - cosine.
  Random random(kSeed);
  std::vector<double> distance(n, 1);
  centres_.clear();
  while (centres_.size() < k) {
    double total = 0;
    for (size_t i = 0; i < n; ++i) total += vectors_[i].empty() ? 0 : distance[i];
    if (total <= 1e-9) break;
    double pick = random.uniform() * total;
    size_t chosen = 0;
    for (size_t i = 0; i < n; ++i) {
      if (vectors_[i].empty()) continue;
      chosen = i;
      if ((pick -= distance[i]) <= 0) break;
    }
    centres_.push_back(as_centre(vectors_[chosen]));
    for (size_t i = 0; i < n; ++i)
      distance[i] = std::min(distance[i], std::max(0.0, 1.0 - dot(vectors_[i], centres_.back())));
  }
  cluster_of_.assign(n, 0);
  for (size_t round = 0; round < kRounds; ++round) {
    bool moved = false;
    for (size_t i = 0; i < n; ++i) {
      uint32_t best = 0;
      float most = -1;
      for (uint32_t c = 0; c < centres_.size(); ++c)
        if (const float s = dot(vectors_[i], centres_[c]); s > most) most = s, best = c;
      moved = moved || best != cluster_of_[i];
      cluster_of_[i] = best;
    }
    if (!moved && round > 0) break;
    for (auto& centre : centres_) std::fill(centre.begin(), centre.end(), 0.0f);
    for (size_t i = 0; i < n; ++i)
      for (const Entry& e : vectors_[i]) centres_[cluster_of_[i]][e.word] += e.weight;
    for (auto& centre : centres_) {
      double length = 0;
      for (const float x : centre) length += double{x} * x;
      if (length > 0)
        for (float& x : centre) x = static_cast<float>(x / std::sqrt(length));
    }
  }
}

void TopicModel::name_clusters() {
  const size_t k = centres_.size();
  std::vector<Topic> topics(k);
  std::vector<float> nearest(k, -1);
  for (size_t i = 0; i < vectors_.size(); ++i) {
    const uint32_t c = cluster_of_[i];
    ++topics[c].count;
    float s = 0;
    for (const Entry& e : vectors_[i]) s += e.weight * centres_[c][e.word];
    if (s > nearest[c]) nearest[c] = s, topics[c].example_line = sample_[i].line;
  }
  for (size_t c = 0; c < k; ++c) {
    // Weight here against the most weight elsewhere.
    std::vector<std::pair<float, uint32_t>> ranked;
    for (uint32_t w = 0; w < words_.size(); ++w) {
      if (centres_[c][w] <= 0.02f) continue;
      float elsewhere = 0;
      for (size_t d = 0; d < k; ++d)
        if (d != c) elsewhere = std::max(elsewhere, centres_[d][w]);
      ranked.push_back({centres_[c][w] - 0.6f * elsewhere, w});
    }
    std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (size_t r = 0; r < std::min<size_t>(5, ranked.size()); ++r)
      topics[c].words.push_back(words_[ranked[r].second]);
  }
  std::vector<size_t> order(k);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return topics[a].count > topics[b].count; });
  std::vector<uint32_t> renamed(k);
  for (size_t r = 0; r < k; ++r) {
    renamed[order[r]] = static_cast<uint32_t>(r);
    if (topics[order[r]].count > 0) topics_.push_back(std::move(topics[order[r]]));
  }
  for (uint32_t& c : cluster_of_) c = renamed[c];
}

// Principal directions by power iteration on the sparse sample, its mean taken off.
void TopicModel::project() {
  const size_t n = vectors_.size(), dims = words_.size();
  std::vector<double> mean(dims);
  for (const Vector& v : vectors_)
    for (const Entry& e : v) mean[e.word] += e.weight / static_cast<double>(n);
  std::vector<std::vector<double>> directions;
  points_.resize(n);
  for (int component = 0; component < 2; ++component) {
    Random random(kSeed, static_cast<uint64_t>(component) + 1);
    std::vector<double> d(dims);
    for (double& x : d) x = random.normal();
    std::vector<double> scores(n);
    for (int round = 0; round < 20; ++round) {
      for (const auto& other : directions) {
        const double along = std::inner_product(d.begin(), d.end(), other.begin(), 0.0);
        for (size_t w = 0; w < dims; ++w) d[w] -= along * other[w];
      }
      const double length = std::sqrt(std::inner_product(d.begin(), d.end(), d.begin(), 0.0));
      if (length < 1e-12) break;
      for (double& x : d) x /= length;
      const double offset = std::inner_product(mean.begin(), mean.end(), d.begin(), 0.0);
      for (size_t i = 0; i < n; ++i) {
        scores[i] = -offset;
        for (const Entry& e : vectors_[i]) scores[i] += e.weight * d[e.word];
      }
      if (round == 19) break;
      std::fill(d.begin(), d.end(), 0.0);
      double sum = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += scores[i];
        for (const Entry& e : vectors_[i]) d[e.word] += scores[i] * e.weight;
      }
      for (size_t w = 0; w < dims; ++w) d[w] -= sum * mean[w];
    }
    double most = 1e-12;
    for (const double s : scores) most = std::max(most, std::abs(s));
    for (size_t i = 0; i < n; ++i)
      (component == 0 ? points_[i].x : points_[i].y) = static_cast<float>(scores[i] / most);
    directions.push_back(std::move(d));
  }
  for (size_t i = 0; i < n; ++i) {
    points_[i].cluster = cluster_of_[i];
    points_[i].line = sample_[i].line;
  }
}

std::vector<TopicModel::Point> TopicModel::points(size_t most) const {
  std::vector<Point> out;
  const size_t step = std::max<size_t>(1, (points_.size() + most - 1) / std::max<size_t>(1, most));
  for (size_t i = 0; i < points_.size(); i += step) out.push_back(points_[i]);
  return out;
}

double TopicModel::nearest(const Vector& vector, size_t except) const {
  std::unordered_map<uint32_t, float> sums;
  for (const Entry& e : vector)
    for (const auto& [text, weight] : postings_[e.word]) sums[text] += e.weight * weight;
  float most = 0;
  for (const auto& [text, sum] : sums)
    if (text != except) most = std::max(most, sum);
  return most;
}

double TopicModel::nearest(std::string_view text) const {
  return nearest(vector_of(text), SIZE_MAX);
}

std::vector<double> TopicModel::usual() const {
  std::vector<double> out;
  const size_t step = std::max<size_t>(1, vectors_.size() / 400);
  for (size_t i = 0; i < vectors_.size(); i += step) out.push_back(nearest(vectors_[i], i));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> TopicModel::new_words(std::string_view text, size_t most) const {
  std::vector<std::string> out;
  each_topic_word(text, [&](const std::string& word) {
    if (out.size() >= most || ids_.contains(word) || std::ranges::find(out, word) != out.end()) return;
    for (const Sampled& s : sample_)
      if (folded_text(s.text).find(word) != std::string::npos) return;
    out.push_back(word);
  });
  return out;
}

}  // namespace lora
