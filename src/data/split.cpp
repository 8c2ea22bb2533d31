#include "data/split.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"

namespace lora {
namespace {

constexpr uint64_t kSidePurpose = 0x73696465;     // keys the rank of a group
constexpr uint64_t kStratumPurpose = 0x73747261;  // keys the offset of a stratum

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// Lower case (ASCII), white space runs as one blank, digit runs as one 0 if asked.
std::string folded(std::string_view text, bool fold_digits) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (fold_digits && c >= '0' && c <= '9') {
      if (out.empty() || out.back() != '0') out += '0';
    } else {
      out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

uint64_t user_text_hash(const Conversation& row, bool fold_digits) {
  uint64_t hash = fold_digits;
  for (const Message& message : row.messages)
    if (message.role == "user") hash = hash_text(folded(message.content, fold_digits), hash);
  return hash;
}

uint64_t stratum_of(const Conversation& row) {
  const bool has_system = !row.messages.empty() && row.messages.front().role == "system";
  return has_system ? hash_text(row.messages.front().content, 1) : 0;
}

// A group of near duplicates. `position` in [0, 1) orders the groups: test takes the lowest, then valid, then
// train.
struct Group {
  uint64_t id = 0;
  uint64_t stratum = 0;
  uint64_t rank = 0;
  double position = 0;
  std::vector<size_t> rows;
};

std::vector<Group> ordered_groups(const std::vector<Conversation>& rows, uint64_t seed) {
  const std::vector<uint64_t> ids = near_duplicate_groups(rows);
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
    group.stratum = std::min(group.stratum, stratum_of(rows[i]));
    group.rows.push_back(i);
  }
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

std::string sizes_in_words(const Split& split, size_t rows, size_t groups, bool with_test) {
  std::string why = fmt::format("{} rows", rows);
  if (groups < rows) why += fmt::format(" ({} different up to case, white space and digits)", groups);
  why +=
      fmt::format(": {} to train on, {} to choose the checkpoint by", split.train.size(), split.valid.size());
  if (with_test) {
    why += fmt::format(", {} held out for the verdict", split.test.size());
    if (split.test.size() < 6) why += " (fewer than 6 can never show a difference)";
  }
  if (!split.set_aside.empty())
    why += fmt::format(
        "; {} near duplicates of held-out rows are left out, so that nothing asked was trained on",
        split.set_aside.size());
  return why + ".";
}

Split split_groups(const std::vector<Conversation>& rows, uint64_t seed, bool with_test, size_t test_size,
                   size_t valid_size) {
  const std::vector<Group> groups = ordered_groups(rows, seed);
  if (!with_test)
    test_size = 0;
  else if (test_size == 0)
    test_size = default_test_size(groups.size());
  if (valid_size == 0) valid_size = default_valid_size(groups.size());
  if (test_size >= groups.size() || valid_size >= groups.size() - test_size)
    refuse_sizes(rows.size(), groups.size(), test_size, valid_size);

  enum class Side : uint8_t { kTrain, kValid, kTest, kAside };
  std::vector<Side> sides(rows.size(), Side::kTrain);
  for (size_t i = 0; i < test_size + valid_size; ++i) {
    // The row that counts is chosen by content, so that the order of the rows does not matter.
    const std::vector<size_t>& members = groups[i].rows;
    const size_t chosen = *std::min_element(members.begin(), members.end(), [&](size_t a, size_t b) {
      return content_hash(rows[a]) < content_hash(rows[b]);
    });
    for (size_t row : members) sides[row] = Side::kAside;
    sides[chosen] = i < test_size ? Side::kTest : Side::kValid;
  }
  Split split;
  for (size_t i = 0; i < rows.size(); ++i) {
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
    }
  }
  split.why = sizes_in_words(split, rows.size(), groups.size(), with_test);
  return split;
}

}  // namespace

Split split(const std::vector<Conversation>& rows, const SplitOptions& options) {
  return split_groups(rows, options.seed, true, options.test_size, options.valid_size);
}

Split split_valid(const std::vector<Conversation>& rows, const SplitOptions& options) {
  return split_groups(rows, options.seed, false, 0, options.valid_size);
}

std::vector<Overlap> find_overlap(const std::vector<Conversation>& train,
                                  const std::vector<Conversation>& test) {
  std::vector<Conversation> all = train;
  all.insert(all.end(), test.begin(), test.end());
  const std::vector<uint64_t> groups = near_duplicate_groups(all);
  std::unordered_map<uint64_t, size_t> by_content, by_group;  // to the first row of test
  for (size_t i = 0; i < test.size(); ++i) {
    by_content.try_emplace(content_hash(test[i]), i);
    by_group.try_emplace(groups[train.size() + i], i);
  }
  std::vector<Overlap> overlaps;
  for (size_t i = 0; i < train.size(); ++i) {
    if (const auto exact = by_content.find(content_hash(train[i])); exact != by_content.end())
      overlaps.push_back({i, exact->second, true});
    else if (const auto near = by_group.find(groups[i]); near != by_group.end())
      overlaps.push_back({i, near->second, false});
  }
  return overlaps;
}

std::vector<uint64_t> near_duplicate_groups(const std::vector<Conversation>& rows) {
  std::vector<uint64_t> ids(rows.size());
  std::unordered_map<uint64_t, std::vector<size_t>> without_digits;
  for (size_t i = 0; i < rows.size(); ++i) {
    ids[i] = user_text_hash(rows[i], true);
    without_digits[ids[i]].push_back(i);
  }
  for (const auto& [id, members] : without_digits)
    if (members.size() > 10 && members.size() * 20 > rows.size())
      for (size_t i : members) ids[i] = user_text_hash(rows[i], false);
  return ids;
}

uint64_t content_hash(const Conversation& conversation) {
  uint64_t hash = 0;
  for (const Message& message : conversation.messages)
    hash = hash_text(message.content, hash_text(message.role, hash));
  return hash;
}

}  // namespace lora
