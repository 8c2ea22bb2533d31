#include "data/checks/duplicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "data/row_groups.h"

namespace lora {
namespace {

class DuplicateCheck : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    rows_.push_back({content_hash(row.conversation), row.line});
  }

  void finish(const Reread&, Findings& findings) override {
    std::sort(rows_.begin(), rows_.end(), [](const Seen& a, const Seen& b) {
      return std::tie(a.hash, a.line) < std::tie(b.hash, b.line);
    });
    std::vector<std::pair<size_t, size_t>> copies;  // line, first line
    for (size_t i = 1, first = 0; i < rows_.size(); ++i) {
      if (rows_[i].hash != rows_[first].hash)
        first = i;
      else
        copies.emplace_back(rows_[i].line, rows_[first].line);
    }
    std::sort(copies.begin(), copies.end());
    for (const auto& [line, first] : copies)
      findings.add("duplicate", line, 1, fmt::format("this row equals line {}", first),
                   "Remove one of them: what stands twice is learned twice as hard.");
  }

 private:
  struct Seen {
    uint64_t hash;
    size_t line;
  };
  std::vector<Seen> rows_;
};

}  // namespace

std::unique_ptr<DataCheck> make_duplicate_check() {
  return std::make_unique<DuplicateCheck>();
}

}  // namespace lora
