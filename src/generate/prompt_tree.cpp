#include "generate/prompt_tree.h"

#include <algorithm>
#include <numeric>

namespace lora {
namespace {

// Lays out prompts order[first … last), which agree in their first `depth` tokens, below `parent`, which holds
// `laid` of these.
class TreeBuilder {
 public:
  TreeBuilder(const std::vector<std::vector<int32_t>>& prompts, int64_t min_run)
      : min_run_(min_run), order_(prompts.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::ranges::stable_sort(order_, [&](size_t a, size_t b) { return prompts[a] < prompts[b]; });
    // agree_[i]: tokens that the i-th prompt and the one before it begin with, the last of neither counted.
    agree_.assign(prompts.size(), 0);
    for (size_t i = 1; i < order_.size(); ++i) {
      const auto &a = prompts[order_[i - 1]], &b = prompts[order_[i]];
      const auto most = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()) - 1);
      agree_[i] = std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin();
    }
  }

  PromptTree build() {
    // A stack in place of recursion: text decides the depth.
    std::vector<Group> open{{0, order_.size(), PromptTree::kNone, 0}};
    while (!open.empty()) {
      const Group group = open.back();
      open.pop_back();
      if (group.first == group.last) continue;
      if (group.last - group.first == 1) {
        tree_.leaves.push_back({order_[group.first], group.parent, group.laid});
        continue;
      }
      open_children(group, open);
    }
    return std::move(tree_);
  }

 private:
  struct Group {
    size_t first, last;
    size_t parent;
    int64_t laid;
  };

  // Children go on the stack in reverse, so that leaves come out in order.
  void open_children(Group group, std::vector<Group>& open) {
    const auto inside = [&](size_t i) { return agree_.begin() + static_cast<std::ptrdiff_t>(i); };
    const int64_t common = *std::min_element(inside(group.first + 1), inside(group.last));
    if (common - group.laid >= min_run_) {
      tree_.runs.push_back({group.parent, order_[group.first], group.laid, common, group.last - group.first});
      group.parent = tree_.runs.size() - 1;
      group.laid = common;
    }
    size_t end = group.last;
    for (size_t i = group.last - 1; i > group.first; --i)
      if (agree_[i] == common) {
        open.push_back({i, end, group.parent, group.laid});
        end = i;
      }
    open.push_back({group.first, end, group.parent, group.laid});
  }

  int64_t min_run_;
  std::vector<size_t> order_;
  std::vector<int64_t> agree_;
  PromptTree tree_;
};

}  // namespace

PromptTree shared_prefixes(const std::vector<std::vector<int32_t>>& prompts, int64_t min_run) {
  return TreeBuilder(prompts, min_run).build();
}

void append(PromptTree& tree, const PromptTree& part, const std::vector<size_t>& places) {
  const size_t before = tree.runs.size();
  const auto moved = [&](size_t run) { return run == PromptTree::kNone ? run : run + before; };
  for (PromptTree::Run run : part.runs) {
    run.parent = moved(run.parent);
    run.prompt = places[run.prompt];
    tree.runs.push_back(run);
  }
  for (const PromptTree::Leaf& leaf : part.leaves)
    tree.leaves.push_back({places[leaf.prompt], moved(leaf.parent), leaf.begin});
}

PromptTree nothing_shared(const std::vector<std::vector<int32_t>>& prompts) {
  PromptTree tree;
  for (size_t p = 0; p < prompts.size(); ++p) tree.leaves.push_back({p, PromptTree::kNone, 0});
  return tree;
}

}  // namespace lora
