#include "data/checks/near_duplicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "data/row_groups.h"
#include "data/twin_rows.h"

namespace lora {
namespace {

class NearDuplicateCheck : public DataCheck {
 public:
  NearDuplicateCheck(NearGroups* groups, size_t memory_budget) : groups_(groups), rows_(memory_budget) {}

  void see(const Row& row, Findings&) override {
    rows_.add(row.conversation);
    lines_.push_back(row.line);
    hashes_.push_back(content_hash(row.conversation));
    if (row.conversation.golden) golden_.insert(row.index);
  }

  void finish(const Reread& reread, Findings& findings) override {
    std::map<size_t, Twin> nearest;  // of each row among those before it
    std::map<size_t, Twin> of_golden;
    const std::vector<Twin> twins = rows_.find(reread);
    if (groups_) *groups_ = near_groups(twins, lines_, hashes_, reread);
    for (const Twin& twin : twins) {
      for (const size_t row : {twin.first, twin.second})
        if (golden_.contains(row)) {
          const auto [at, is_new] = of_golden.try_emplace(row, twin);
          if (!is_new && twin.similarity > at->second.similarity) at->second = twin;
        }
      if (hashes_[twin.first] == hashes_[twin.second]) {
        copies_.insert(twin.second);
        continue;
      }
      const auto [at, is_new] = nearest.try_emplace(twin.second, twin);
      if (!is_new && twin.similarity > at->second.similarity) at->second = twin;
    }
    for (const auto& [row, twin] : nearest)
      if (!copies_.contains(row))  // `duplicate` says so
        findings.add("near-duplicate", lines_[row], 1,
                     fmt::format("this row nearly equals line {} (similarity {:.2f})", lines_[twin.first],
                                 twin.similarity),
                     "Remove one of them, or make them differ in what they teach.");
    for (const auto& [row, twin] : of_golden) {
      const size_t other = row == twin.first ? twin.second : twin.first;
      const bool equal = hashes_[row] == hashes_[other];
      findings.add("golden-problem", lines_[row], 1,
                   equal ? fmt::format("this golden row equals line {}", lines_[other])
                         : fmt::format("this golden row nearly equals line {} (similarity {:.2f})",
                                       lines_[other], twin.similarity),
                   "Remove the other row: a golden example that is also trained on proves nothing.");
    }
  }

 private:
  NearGroups* groups_;
  TwinRows rows_;
  std::vector<size_t> lines_;
  std::vector<uint64_t> hashes_;
  std::set<size_t> golden_, copies_;
};

}  // namespace

std::unique_ptr<DataCheck> make_near_duplicate_check(NearGroups* groups, size_t memory_budget) {
  return std::make_unique<NearDuplicateCheck>(groups, memory_budget);
}

}  // namespace lora
