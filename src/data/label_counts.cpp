#include "data/label_counts.h"

#include <algorithm>

#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kLeastAnswers = 20;

// Letters and digits only, in lower case.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : folded_text(text))
    if (static_cast<unsigned char>(c) >= 0x80 || is_ascii_letter(c) || is_ascii_digit(c)) out += c;
  return out;
}

bool is_rare(uint32_t count, size_t total) {
  return count <= std::max<size_t>(1, total / 50);
}

}  // namespace

void LabelCounts::add(std::string_view text, uint32_t answer) {
  ++total_;
  if (open_) return;
  for (Label& label : labels_) {
    if (label.text != text) continue;
    if (++label.count == 2) label.second_seen = answer;
    return;
  }
  if (labels_.size() == kMostLabels) {
    open_ = true;
    labels_ = {};
    return;
  }
  labels_.push_back({std::string(text), 1, answer, answer});
}

bool LabelCounts::is_closed() const {
  if (open_ || total_ < kLeastAnswers) return false;
  size_t covered = 0;
  for (const Label& label : labels_)
    if (label.count >= 3) covered += label.count;
  return covered * 20 >= total_ * 17 && labels_.size() * 4 <= total_;
}

std::vector<LabelCounts::Slip> LabelCounts::slips() const {
  std::vector<Slip> out;
  if (!is_closed()) return out;
  for (size_t i = 0; i < labels_.size(); ++i) {
    const Label& rare = labels_[i];
    size_t best = labels_.size();
    bool spelling = false;
    const std::string rare_bare = bare(rare.text);
    for (size_t j = 0; j < labels_.size(); ++j) {
      const Label& common = labels_[j];
      if (i == j || common.count < rare.count * 2) continue;
      const std::string common_bare = bare(common.text);
      if (rare_bare.empty() || common_bare.empty()) continue;
      if (rare_bare == common_bare) {
        if (best == labels_.size() || spelling || labels_[best].count < common.count)
          best = j, spelling = false;
        continue;
      }
      if (!is_rare(rare.count, total_) || common.count < 5 * rare.count || best != labels_.size()) continue;
      if (const size_t colon = rare.text.find(':');
          colon != std::string::npos && bare(std::string_view(rare.text).substr(colon)) == common_bare) {
        best = j, spelling = false;  // "Label: urgent"
        continue;
      }
      if (std::ranges::any_of(rare_bare + common_bare, is_ascii_digit)) continue;  // "level 1", "level 2"
      const size_t shorter = std::min(rare_bare.size(), common_bare.size());
      const size_t allowed = shorter >= 8 ? 2 : shorter >= 5 ? 1 : 0;
      if (allowed > 0 && edit_distance(rare_bare, common_bare, allowed + 1) <= allowed)
        best = j, spelling = true;
    }
    if (best < labels_.size()) out.push_back({i, best, spelling});
  }
  return out;
}

std::vector<size_t> LabelCounts::strangers(bool listed) const {
  std::vector<size_t> out;
  if (!is_closed() || total_ < 40) return out;
  std::vector<bool> is_slip(labels_.size());
  for (const Slip& slip : slips()) is_slip[slip.label] = true;
  size_t common = 0;
  for (size_t i = 0; i < labels_.size(); ++i) {
    if (is_slip[i]) continue;
    if (labels_[i].count <= 2 && is_rare(labels_[i].count, total_))
      out.push_back(i);
    else if (labels_[i].count < 4)
      return {};  // a long tail
    else
      ++common;
  }
  if (out.size() > common && !listed) out.clear();
  return out;
}

}  // namespace lora
