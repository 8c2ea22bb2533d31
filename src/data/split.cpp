#include "data/split.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "data/format_family.h"
#include "data/row_parts.h"
#include "data/twin_rows.h"
#include "data/words.h"

namespace lora {
namespace {

constexpr uint64_t kSidePurpose = 0x73696465;     // keys the rank of a group
constexpr uint64_t kStratumPurpose = 0x73747261;  // keys the offset of a stratum

constexpr size_t kMostLabels = 20;

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

uint64_t system_hash(const Conversation& row) {
  if (row.is_plain_text()) return 2;
  return row.messages.front().role == "system" ? hash_text(row.messages.front().content, 1) : 0;
}

// What kind of answer a row gives. Texts for people are one kind: whether an answer has a list in it changes from
// question to question.
uint64_t answer_kind(const Conversation& row, uint64_t& label) {
  label = 0;
  const size_t last = last_answer(row);
  if (last == row.messages.size()) return 0;
  const std::string& answer = row.messages[last].content;
  const FormatFamily family = format_family(answer);
  if (family.kind == FormatKind::kShortText || family.kind == FormatKind::kYesNo) label = words_hash(answer);
  return is_prose_format(family.kind) ? static_cast<uint64_t>(FormatKind::kProse)
                                      : static_cast<uint64_t>(family.kind);
}

// A stratum per system prompt and kind of answer, and per label where answers are few labels. The commonest kind under
// a system prompt goes by the prompt alone.
std::vector<uint64_t> strata_of(const std::vector<Conversation>& rows) {
  std::vector<uint64_t> systems(rows.size()), kinds(rows.size()), labels(rows.size());
  std::map<uint64_t, std::map<uint64_t, size_t>> kinds_of, labels_of;  // by system prompt: rows of each
  for (size_t i = 0; i < rows.size(); ++i) {
    systems[i] = system_hash(rows[i]);
    kinds[i] = answer_kind(rows[i], labels[i]);
    ++kinds_of[systems[i]][kinds[i]];
    if (labels[i] != 0) ++labels_of[systems[i]][labels[i]];
  }
  const auto commonest = [](const std::map<uint64_t, size_t>& counts) {
    return std::max_element(counts.begin(), counts.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  };
  std::vector<uint64_t> strata = systems;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::map<uint64_t, size_t>& labels_here = labels_of[systems[i]];
    size_t with_label = 0;
    for (const auto& [label, count] : labels_here) with_label += count;
    if (labels[i] != 0 && labels_here.size() <= kMostLabels && labels_here.size() * 5 <= with_label)
      strata[i] = mix64(systems[i], labels[i]);
    else if (kinds[i] != commonest(kinds_of[systems[i]]))
      strata[i] = mix64(systems[i], kinds[i]);
  }
  return strata;
}

// A group of near duplicates. `position` in [0, 1) orders the groups: test takes the lowest, then valid, then
// train.
struct Group {
  uint64_t id = 0;
  bool golden = false;             // holds a golden row
  bool learned_elsewhere = false;  // rows of other groups learn its question on the way to their last
  uint64_t stratum = 0;
  uint64_t rank = 0;
  double position = 0;
  std::vector<size_t> rows;
};

std::vector<Group> ordered_groups(const std::vector<Conversation>& rows, uint64_t seed) {
  const std::vector<uint64_t> ids = near_duplicate_groups(rows), strata = strata_of(rows);
  std::vector<Group> groups;
  std::unordered_map<uint64_t, size_t> index;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto [at, is_new] = index.try_emplace(ids[i], groups.size());
    if (is_new)
      groups.push_back({.id = ids[i],
                        .stratum = UINT64_MAX,
                        .rank = mix64(mix64(seed, kSidePurpose), ids[i]),
                        .rows = {}});
    Group& group = groups[at->second];
    group.stratum = std::min(group.stratum, strata[i]);
    group.golden |= rows[i].golden;
    group.rows.push_back(i);
  }
  std::unordered_map<uint64_t, size_t> asks;  // by question: the group that all who ask it are in
  for (size_t i = 0; i < rows.size(); ++i)
    asks.try_emplace(context_hash(rows[i], last_answer(rows[i])), index.at(ids[i]));
  for (size_t i = 0; i < rows.size(); ++i)
    for (const uint64_t context : learned_contexts(rows[i]))
      if (const auto at = asks.find(context); at != asks.end() && at->second != index.at(ids[i]))
        groups[at->second].learned_elsewhere = true;
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.stratum, a.rank, a.id) < std::tie(b.stratum, b.rank, b.id);
  });
  // Systematic sampling with a random start per stratum: every cut of the positions holds each stratum's
  // share, and a stratum of one row is not always on the same side.
  for (size_t begin = 0; begin < groups.size();) {
    size_t end = begin;
    while (end < groups.size() && groups[end].stratum == groups[begin].stratum) ++end;
    const double start =
        static_cast<double>(mix64(mix64(seed, kStratumPurpose), groups[begin].stratum) >> 11) * 0x1.0p-53;
    for (size_t i = begin; i < end; ++i)
      groups[i].position = (static_cast<double>(i - begin) + start) / static_cast<double>(end - begin);
    begin = end;
  }
  for (Group& group : groups)
    if (group.rows.size() > 10 && group.rows.size() * 50 > rows.size())
      group.position += 1;  // dear to hold out
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.position, a.rank, a.id) < std::tie(b.position, b.rank, b.id);
  });
  return groups;
}

// A sixth of the groups, 20 to 50; from 1,000 groups on a twentieth, up to 200; never more than a third.
size_t default_test_size(size_t groups) {
  const size_t wanted =
      groups < 1000 ? std::clamp<size_t>(groups / 6, 20, 50) : std::clamp<size_t>(groups / 20, 50, 200);
  return std::max<size_t>(1, std::min(wanted, groups / 3));
}

// Half as many as in test: it ranks checkpoints and proves nothing.
size_t default_valid_size(size_t groups) {
  return std::max<size_t>(1, default_test_size(groups) / 2);
}

[[noreturn]] void refuse_sizes(size_t rows, size_t groups, size_t test_size, size_t valid_size) {
  throw Error::input({.where = "split",
                      .found = groups < rows ? fmt::format("{} rows, {} of them different", rows, groups)
                                             : fmt::format("{} rows", rows),
                      .expected = fmt::format(
                          "more than {} different rows ({} for test, {} for valid, the rest to train on)",
                          test_size + valid_size, test_size, valid_size),
                      .fix = "Add examples, or hold out fewer."});
}

// Why so many are asked for the verdict.
std::string_view reason_of_size(size_t asked, size_t groups, size_t test) {
  if (asked != 0) return "as asked";
  if (groups < 1000 && test == 50) return "50: more would cost training rows and show little more";
  if (test == 20) return "20: with fewer only a very large difference would show";
  if (test < 20) return "a third: fewer rows would prove nothing, more would leave too few to learn from";
  return groups < 1000 ? "a sixth of the different rows" : "a twentieth of the different rows, at most 200";
}

std::string sizes_in_words(const Split& split, size_t rows, size_t groups, bool with_test, size_t asked) {
  std::string why = fmt::format("{} rows", rows);
  if (groups < rows) why += fmt::format(" ({} different: near duplicates count as one)", groups);
  why +=
      fmt::format(": {} to train on, {} to choose the checkpoint by", split.train.size(), split.valid.size());
  if (with_test) {
    why += fmt::format(", {} held out for the verdict ({})", split.test.size(),
                       reason_of_size(asked, groups, split.test.size()));
    if (split.test.size() < 6) why += "; fewer than 6 can never show a difference";
  }
  if (!split.golden.empty()) why += fmt::format("; {} golden rows are asked separately", split.golden.size());
  if (!split.set_aside.empty())
    why += fmt::format(
        "; {} near duplicates of held-out rows are left out, so that nothing asked was trained on",
        split.set_aside.size());
  return why + ".";
}

enum class Side : uint8_t { kTrain, kValid, kTest, kAside, kGolden };

Split parts_of(const std::vector<Conversation>& rows, const std::vector<Side>& sides) {
  Split split;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].golden) split.golden.push_back(rows[i]);
    switch (sides[i]) {
      case Side::kTrain:
        split.train.push_back(rows[i]);
        break;
      case Side::kValid:
        split.valid.push_back(rows[i]);
        break;
      case Side::kTest:
        split.test.push_back(rows[i]);
        break;
      case Side::kAside:
        split.set_aside.push_back(rows[i]);
        break;
      case Side::kGolden:
        break;  // listed above
    }
  }
  return split;
}

// Golden rows are on no other side unless they are trained on; their near duplicates are set aside.
void place_golden(const std::vector<Conversation>& rows, const Group& group, bool in_train,
                  std::vector<Side>& sides) {
  for (size_t row : group.rows)
    sides[row] = in_train ? Side::kTrain : rows[row].golden ? Side::kGolden : Side::kAside;
}

Split split_groups(const std::vector<Conversation>& rows, const SplitOptions& options, bool with_test) {
  std::vector<Group> groups = ordered_groups(rows, options.seed);
  std::vector<Side> sides(rows.size(), Side::kTrain);
  std::erase_if(groups, [&](const Group& group) {
    if (group.golden) place_golden(rows, group, options.golden_in_train, sides);
    return group.golden;
  });
  size_t rest = 0, always = 0;  // rows that are not golden's; of them those that are never held out
  for (const Group& group : groups) {
    rest += group.rows.size();
    if (group.learned_elsewhere) always += group.rows.size();
  }
  const size_t different = groups.size();
  std::erase_if(groups, [](const Group& group) { return group.learned_elsewhere; });
  size_t test_size = with_test ? options.test_size : 0, valid_size = options.valid_size;
  if (with_test && test_size == 0) test_size = default_test_size(groups.size());
  if (valid_size == 0) valid_size = default_valid_size(groups.size());
  if (test_size >= groups.size() || valid_size >= groups.size() - test_size)
    refuse_sizes(rest, groups.size(), test_size, valid_size);

  for (size_t i = 0; i < test_size + valid_size; ++i) {
    // The row that counts is chosen by content, so that the order of the rows does not matter.
    const std::vector<size_t>& members = groups[i].rows;
    const size_t chosen = *std::min_element(members.begin(), members.end(), [&](size_t a, size_t b) {
      return content_hash(rows[a]) < content_hash(rows[b]);
    });
    for (size_t row : members) sides[row] = Side::kAside;
    sides[chosen] = i < test_size ? Side::kTest : Side::kValid;
  }
  Split split = parts_of(rows, sides);
  split.why = sizes_in_words(split, rest, different, with_test, options.test_size);
  if (always > 0)
    split.why += fmt::format(" Always trained on: {} row{} whose question others ask on their way.", always,
                             always == 1 ? "" : "s");
  return split;
}

}  // namespace

Split split(const std::vector<Conversation>& rows, const SplitOptions& options) {
  return split_groups(rows, options, true);
}

Split split_valid(const std::vector<Conversation>& rows, const SplitOptions& options) {
  return split_groups(rows, options, false);
}

Split split_nothing(const std::vector<Conversation>& rows, const SplitOptions& options) {
  std::vector<Side> sides(rows.size(), Side::kTrain);
  const bool any_golden =
      std::any_of(rows.begin(), rows.end(), [](const Conversation& row) { return row.golden; });
  if (any_golden)
    for (const Group& group : ordered_groups(rows, options.seed))
      if (group.golden) place_golden(rows, group, options.golden_in_train, sides);
  return parts_of(rows, sides);
}

std::vector<Overlap> find_overlap(const std::vector<Conversation>& train,
                                  const std::vector<Conversation>& test) {
  std::unordered_map<uint64_t, size_t> by_content, by_question;  // to the first row of test
  TwinRows twins;
  for (size_t i = 0; i < test.size(); ++i) {
    by_content.try_emplace(content_hash(test[i]), i);
    by_question.try_emplace(context_hash(test[i], last_answer(test[i])), i);
    twins.add(test[i]);
  }
  for (const Conversation& row : train) twins.add(row);
  std::vector<std::optional<Overlap>> found(train.size());
  if (!test.empty())
    for (const Twin& twin :
         twins.find([&](size_t row) { return row < test.size() ? test[row] : train[row - test.size()]; },
                    test.size())) {
      std::optional<Overlap>& overlap = found[twin.second - test.size()];
      if (!overlap || twin.similarity > overlap->similarity)
        overlap = {twin.second - test.size(), twin.first, false, false, twin.similarity};
    }
  for (size_t i = 0; i < train.size(); ++i) {
    if (const auto exact = by_content.find(content_hash(train[i])); exact != by_content.end()) {
      found[i] = {i, exact->second, true, true, 1};
      continue;
    }
    for (const uint64_t context : learned_contexts(train[i]))
      if (const auto same = by_question.find(context); same != by_question.end()) {
        found[i] = {i, same->second, false, true, 1};
        break;
      }
  }
  std::vector<Overlap> overlaps;
  for (const std::optional<Overlap>& overlap : found)
    if (overlap) overlaps.push_back(*overlap);
  return overlaps;
}

}  // namespace lora
