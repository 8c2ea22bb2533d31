// Topics of texts, without a model: TF-IDF over words, spherical k-means on a sample, each cluster named by the words
// that set it apart. Words that most texts share (a template) and words of one text alone say nothing and are left out.
// Deterministic: the same texts give the same clusters on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lora {

// Salton and Buckley 1988 (TF-IDF, cosine); Dhillon and Modha 2001 (spherical k-means).
class TopicModel {
 public:
  static constexpr size_t kMostTexts =
      4000;                                  // kept as a sample: those of the smallest hashes of their number
  static constexpr size_t kMostWords = 120;  // different words of a text

  // `line` names the text in examples. Keeps at most kMostTexts.
  void add(std::string_view text, size_t line);

  struct Point {
    float x = 0, y = 0;  // first two principal directions of the sample, scaled to [-1, 1]
    size_t cluster = 0, line = 0;
  };
  struct Topic {
    std::vector<std::string> words;  // the characteristic ones, at most 5
    size_t count = 0;                // texts of the sample
    size_t example_line = 0;         // of the text nearest to the middle
  };
  // Fits and gives the topics, the largest first. Empty when there are fewer than 8 texts or nothing but templates.
  void fit();
  const std::vector<Topic>& topics() const { return topics_; }
  std::vector<Point> points(size_t most) const;
  size_t sampled() const { return sample_.size(); }
  size_t added() const { return added_; }

  // Cosine of a text with the nearest text of the sample, in [0, 1]. Precondition: fit() was called.
  double nearest(std::string_view text) const;
  // The same for each text of the sample and its nearest other, sorted: what distances are usual.
  std::vector<double> usual() const;
  // The texts of the sample, by number; for holding one model's texts against another.
  const std::string& text(size_t i) const { return sample_[i].text; }
  size_t line(size_t i) const { return sample_[i].line; }
  // The words of a text that the sample does not have, at most `most`.
  std::vector<std::string> new_words(std::string_view text, size_t most) const;

 private:
  struct Entry {
    uint32_t word;
    float weight;
  };
  using Vector = std::vector<Entry>;  // sorted by word, of length 1
  struct Sampled {
    uint64_t order;
    size_t line;
    std::string text;  // the first bytes
    bool operator<(const Sampled& other) const { return order < other.order; }
  };
  Vector vector_of(std::string_view text) const;
  void choose_words();
  void cluster();
  void name_clusters();
  void project();
  double nearest(const Vector& vector, size_t except) const;

  size_t added_ = 0;
  std::vector<Sampled> sample_;  // a heap by `order` while texts come, then by line
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<std::string> words_;
  std::vector<float> idf_;
  std::vector<Vector> vectors_;
  std::vector<std::vector<std::pair<uint32_t, float>>> postings_;  // of a word: texts and weights
  std::vector<uint32_t> cluster_of_;
  std::vector<std::vector<float>> centres_;  // dense
  std::vector<Topic> topics_;
  std::vector<Point> points_;
};

}  // namespace lora
