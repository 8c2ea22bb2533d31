#include "train/forest_builder.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace lora {
namespace {

// Sharing fewer tokens than this costs more in split attention than it saves.
constexpr int64_t kFewestShared = 8;
// Of the tokens of a step: sharing that leaves out fewer gains nothing that shows.
constexpr double kLeastSaved = 0.05;

std::span<const int32_t> inputs(const Example& example) {
  return std::span(example.ids).first(static_cast<size_t>(example.input_length()));
}

int64_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

bool is_long(const Example& example, int64_t split_length) {
  return split_length > 0 && static_cast<int64_t>(example.ids.size()) > split_length;
}

// Indices ordered by token ids, so that common prefixes are neighbours; equal rows keep their order. Those that are longer
// than split_length come last.
std::vector<size_t> by_prefix(const std::vector<const Example*>& examples, int64_t split_length) {
  std::vector<size_t> order(examples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    const bool a_long = is_long(*examples[a], split_length), b_long = is_long(*examples[b], split_length);
    if (a_long != b_long) return b_long;
    return std::ranges::lexicographical_compare(inputs(*examples[a]), inputs(*examples[b]));
  });
  return order;
}

using Examples = std::vector<const Example*>;

// Length of the prefix that all of `group`, which is ordered by prefix, agree on.
int64_t common(const Examples& examples, std::span<const size_t> group) {
  return common_length(inputs(*examples[group.front()]), inputs(*examples[group.back()]));
}

// The two parts of `group`, which by_prefix ordered: (not longer than split_length, longer).
std::pair<std::span<const size_t>, std::span<const size_t>> split_by_length(const Examples& examples,
                                                                            std::span<const size_t> group,
                                                                            int64_t split_length) {
  const auto first_long =
      std::ranges::find_if(group, [&](size_t e) { return is_long(*examples[e], split_length); });
  const auto n = static_cast<size_t>(first_long - group.begin());
  return {group.first(n), group.subspan(n)};
}

// Calls part(subgroup, ended) for each run of members that agree on token `at`; members that end there come first.
template <class Part>
void each_branch(const Examples& examples, std::span<const size_t> group, int64_t at, const Part& part) {
  const auto token = [&](size_t e) {
    const auto ids = inputs(*examples[e]);
    return at < static_cast<int64_t>(ids.size()) ? ids[static_cast<size_t>(at)] : -1;
  };
  for (size_t begin = 0; begin < group.size();) {
    size_t end = begin + 1;
    while (end < group.size() && token(group[end]) == token(group[begin])) ++end;
    part(group.subspan(begin, end - begin), token(group[begin]) == -1);
    begin = end;
  }
}

// How many tokens Builder::split lays for `group` below `depth`.
int64_t tokens_below(const Examples& examples, std::span<const size_t> group, int64_t depth) {
  const int64_t length = common(examples, group);
  const bool share = group.size() == 1 || length - depth >= kFewestShared;
  int64_t count = share ? length - depth : 0;
  if (group.size() == 1) return count;
  each_branch(examples, group, length, [&](std::span<const size_t> branch, bool ended) {
    if (ended)
      count += share ? 0 : static_cast<int64_t>(branch.size()) * (length - depth);
    else
      count += tokens_below(examples, branch, share ? length : depth);
  });
  return count;
}

// How many tokens are laid of `group`, which by_prefix ordered, with prefixes shared.
int64_t tokens_shared(const Examples& examples, std::span<const size_t> group, int64_t split_length) {
  const auto [short_ones, long_ones] = split_by_length(examples, group, split_length);
  return (short_ones.empty() ? 0 : tokens_below(examples, short_ones, 0)) +
         (long_ones.empty() ? 0 : tokens_below(examples, long_ones, 0));
}

int64_t tokens_alone(const Examples& examples, std::span<const size_t> group) {
  int64_t sum = 0;
  for (const size_t e : group) sum += examples[e]->input_length();
  return sum;
}

class Builder {
 public:
  explicit Builder(const Examples& examples) : examples_(examples), rows_(examples.size()) {
    forest_.num_examples = static_cast<int64_t>(examples.size());
    for (const Example* example : examples) forest_.num_tokens += example->input_length();
  }

  Forest finish() && {
    for (size_t e = 0; e < examples_.size(); ++e) {
      const Example& example = *examples_[e];
      for (size_t i = 0; i < rows_[e].size(); ++i) {
        if (!example.supervised[i + 1]) continue;
        forest_.rows.push_back(rows_[e][i]);
        forest_.targets.push_back(example.ids[i + 1]);
        forest_.row_examples.push_back(static_cast<int64_t>(e));
        forest_.row_weights.push_back(example.weight);
      }
    }
    return std::move(forest_);
  }

  // A tree of one example.
  void add_alone(size_t e) {
    begin_tree();
    add_run({&e, 1}, 0, examples_[e]->input_length(), {}, 0);
  }

  // Trees for `group`, ordered by prefix, whose members agree up to `depth`, below which nothing is laid yet.
  void add_trees(std::span<const size_t> group) { split(group, 0, {}, 0, true); }

 private:
  void begin_tree() { forest_.layout.tree_begin.push_back(forest_.layout.blocks.size()); }

  // Lays tokens depth … end of the group's first member once, for all of the group. Returns the last path key.
  uint64_t add_run(std::span<const size_t> group, int64_t depth, int64_t end,
                   const std::vector<ops::KeyRange>& context, uint64_t path_key) {
    const int64_t first_row = forest_.unique_tokens();
    const auto ids = inputs(*examples_[group.front()]);
    for (int64_t i = depth; i < end; ++i) {
      const int64_t id = ids[static_cast<size_t>(i)];
      path_key = next_path_key(path_key, id);
      for (const size_t e : group) rows_[e].push_back(forest_.unique_tokens());
      forest_.ids.push_back(id);
      forest_.positions.push_back(i);
      forest_.example_lengths.push_back(static_cast<int64_t>(examples_[group.front()]->ids.size()));
      forest_.path_keys.push_back(path_key);
    }
    if (end > depth)
      forest_.layout.blocks.push_back({first_row, forest_.unique_tokens(), first_row, context});
    return path_key;
  }

  // Lays what `group` has below `depth`: the part common to all once, then each branch below it.
  void split(std::span<const size_t> group, int64_t depth, std::vector<ops::KeyRange> context,
             uint64_t path_key, bool is_root) {
    const int64_t length = common(examples_, group);
    if (group.size() > 1 && length - depth < kFewestShared) {
      // Not worth a run of its own: every branch lays these few tokens itself.
      each_branch(examples_, group, length, [&](std::span<const size_t> branch, bool ended) {
        if (ended || branch.size() == 1) {
          for (const size_t e : branch) {
            if (is_root) begin_tree();
            add_run({&e, 1}, depth, examples_[e]->input_length(), context, path_key);
          }
        } else {
          split(branch, depth, context, path_key, is_root);
        }
      });
      return;
    }
    if (is_root) begin_tree();
    const int64_t first_row = forest_.unique_tokens();
    path_key = add_run(group, depth, length, context, path_key);
    if (group.size() == 1) return;
    context.push_back({first_row, forest_.unique_tokens()});
    each_branch(examples_, group, length, [&](std::span<const size_t> branch, bool ended) {
      if (!ended) split(branch, length, context, path_key, false);
    });
  }

  const Examples& examples_;
  std::vector<std::vector<int64_t>> rows_;  // of each example's inputs
  Forest forest_;
};

}  // namespace

Forest build_forest(const std::vector<const Example*>& examples, bool share_prefixes, int64_t split_length) {
  Builder builder(examples);
  if (share_prefixes) {
    const std::vector<size_t> order = by_prefix(examples, split_length);
    const auto [short_ones, long_ones] = split_by_length(examples, order, split_length);
    if (!short_ones.empty()) builder.add_trees(short_ones);
    if (!long_ones.empty()) builder.add_trees(long_ones);
  } else {
    for (size_t e = 0; e < examples.size(); ++e) builder.add_alone(e);
  }
  return std::move(builder).finish();
}

bool sharing_pays(const Examples& examples, const ForestOptions& options) {
  if (!options.share_prefixes) return false;
  const std::vector<size_t> order = by_prefix(examples, options.split_length);
  const int64_t all = tokens_alone(examples, order),
                unique = tokens_shared(examples, order, options.split_length);
  return static_cast<double>(all - unique) >= kLeastSaved * static_cast<double>(all);
}

std::vector<std::vector<size_t>> deal(const Examples& examples, const ForestOptions& options) {
  std::vector<size_t> order(examples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.share_prefixes) order = by_prefix(examples, options.split_length);

  // Unique tokens of a forest of order[begin] … order[end - 1].
  const auto tokens = [&](size_t begin, size_t end) {
    const auto group = std::span<const size_t>(order).subspan(begin, end - begin);
    return options.share_prefixes ? tokens_shared(examples, group, options.split_length)
                                  : tokens_alone(examples, group);
  };
  const int64_t total = tokens(0, order.size());
  const int64_t parts = (total + options.max_tokens - 1) / options.max_tokens;
  const int64_t fair = parts > 0 ? (total + parts - 1) / parts : 0;

  std::vector<std::vector<size_t>> forests;
  size_t begin = 0;
  int64_t filled = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    int64_t with = tokens(begin, i + 1);
    // A new forest where the fair share is nearer reached without this example than with it, or the limit would be passed.
    if (forests.empty() || with > options.max_tokens || (filled + with) / 2 > fair) {
      forests.emplace_back();
      begin = i;
      with = tokens(begin, i + 1);
    }
    filled = with;
    forests.back().push_back(order[i]);
  }
  return forests;
}

void each_forest(const std::vector<const Example*>& examples, const ForestOptions& options,
                 const std::function<void(Forest forest, const std::vector<const Example*>& members)>& body) {
  ForestOptions how = options;
  how.share_prefixes = sharing_pays(examples, options);
  for (const std::vector<size_t>& indices : deal(examples, how)) {
    std::vector<const Example*> members;
    for (const size_t i : indices) members.push_back(examples[i]);
    body(build_forest(members, how.share_prefixes, how.split_length), members);
  }
}

}  // namespace lora
