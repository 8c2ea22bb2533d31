#include "data/checks/overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "data/row_groups.h"
#include "data/row_parts.h"
#include "data/twin_rows.h"

namespace lora {
namespace {

class OverlapCheck : public DataCheck {
 public:
  OverlapCheck(const std::vector<Conversation>& others, std::string name, OtherFile kind)
      : name_(std::move(name)), kind_(kind), others_(others) {
    for (size_t i = 0; i < others_.size(); ++i) {
      rows_.add(others_[i]);
      equal_.try_emplace(content_hash(others_[i]), i);
      same_question_.try_emplace(context_hash(others_[i], last_answer(others_[i])), i);
    }
  }

  void see(const Row& row, Findings& findings) override {
    rows_.add(row.conversation);
    lines_.push_back(row.line);
    const auto equal = equal_.find(content_hash(row.conversation));
    const std::optional<size_t> same = asked_by(row.conversation);
    reported_.push_back(equal != equal_.end() || same);
    if (equal != equal_.end())
      add(findings, Severity::kError, row.line, fmt::format("this row equals {}", place(equal->second)));
    else if (same)
      add(findings, Severity::kError, row.line,
          fmt::format("this row asks the same question as {}", place(*same)));
  }

  void finish(const Reread& reread, Findings& findings) override {
    const size_t border = others_.size();
    if (border == 0) return;
    const std::vector<Twin> twins =
        rows_.find([&](size_t row) { return row < border ? others_[row] : reread(row - border); }, border);
    std::vector<const Twin*> nearest(lines_.size());
    for (const Twin& twin : twins) {
      const Twin*& best = nearest[twin.second - border];
      if (best == nullptr || twin.similarity > best->similarity) best = &twin;
    }
    for (size_t row = 0; row < nearest.size(); ++row)
      if (nearest[row] != nullptr && !reported_[row])
        add(findings, Severity::kWarning, lines_[row],
            fmt::format("this row nearly equals {} (similarity {:.2f})", place(nearest[row]->first),
                        nearest[row]->similarity));
  }

 private:
  // The first of the others whose question this row learns to answer, in whatever turn.
  std::optional<size_t> asked_by(const Conversation& row) const {
    for (const uint64_t context : learned_contexts(row))
      if (const auto at = same_question_.find(context); at != same_question_.end()) return at->second;
    return std::nullopt;
  }

  std::string place(size_t other) const {
    return others_[other].line == 0 ? fmt::format("row {} of {}", other + 1, name_)
                                    : fmt::format("{}:{}", name_, others_[other].line);
  }

  void add(Findings& findings, Severity severity, size_t line, std::string message) const {
    if (kind_ == OtherFile::kGolden)
      findings.add("golden-problem", severity, line, 1, message + ", a golden example",
                   "Remove it here: a golden example that is also trained on proves nothing.");
    else
      findings.add("train-eval-overlap", severity, line, 1, message + ", which is held out",
                   "Remove it from one side: a model is not judged on what it was trained on.");
  }

  std::string name_;
  OtherFile kind_;
  std::vector<Conversation> others_;
  TwinRows rows_;  // the others first
  std::unordered_map<uint64_t, size_t> equal_, same_question_;
  std::vector<size_t> lines_;
  std::vector<bool> reported_;
};

}  // namespace

std::unique_ptr<DataCheck> make_overlap_check(const std::vector<Conversation>& others, std::string name,
                                              OtherFile kind) {
  return std::make_unique<OverlapCheck>(others, std::move(name), kind);
}

}  // namespace lora
