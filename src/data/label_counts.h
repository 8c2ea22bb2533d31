// Counts short answers (or values of one JSON key) that may be labels out of a small set, and names the ones that look
// like slips: "Positve" once where "Positive" stands 120 times. Bounded: an open set is forgotten once it is seen to be
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

class LabelCounts {
 public:
  static constexpr size_t kMostLabels = 60;
  struct Label {
    std::string text;
    uint32_t count = 0;
    uint32_t first_seen = 0;   // the caller's number of the first
    uint32_t second_seen = 0;  // and second answer with it
  };

  void add(std::string_view text, uint32_t answer);

  // Whether the answers choose from a small set: few labels beside the number of answers, most of them several times.
  bool is_closed() const;
  size_t total() const { return total_; }
  const std::vector<Label>& labels() const {
    return labels_;
  }  // by first sight; empty once it is an open set

  // A label that hardly occurs and is nearly, or up to case and punctuation, one that occurs often.
  struct Slip {
    size_t label, meant;    // indices into labels()
    bool spelling = false;  // letters differ; otherwise only case, spaces or punctuation
  };
  std::vector<Slip> slips() const;
  // Labels that occur once or hardly and look like none of the others. Only in sets where each other label is common.
  // With `listed`, the common ones are all that there are, and any number of others is looked at.
  std::vector<size_t> strangers(bool listed = false) const;

 private:
  std::vector<Label> labels_;
  size_t total_ = 0;
  bool open_ = false;
};

}  // namespace lora
