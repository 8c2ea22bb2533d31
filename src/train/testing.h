// Examples for the tests of this room. Not part of the program.
#pragma once

#include <initializer_list>
#include <vector>

#include "base/random.h"
#include "train/example.h"

namespace lora::testing {

// Tokens from index `first_target` on are supervised.
inline Example example(std::vector<int32_t> ids, size_t first_target, size_t line = 0) {
  Example e{std::move(ids), {}, line};
  e.supervised.assign(e.ids.size(), 0);
  for (size_t i = first_target; i < e.ids.size(); ++i) e.supervised[i] = 1;
  return e;
}

// Ragged examples on lines 1, 2, …: most begin like another one, at many depths; some are duplicates, some prefixes of
// others, some have targets in the middle and unsupervised tokens at the end.
inline std::vector<Example> ragged_examples(size_t count, uint64_t seed, int32_t vocab) {
  Random random(seed, 0x72);
  std::vector<Example> examples;
  for (size_t n = 0; n < count; ++n) {
    std::vector<int32_t> ids;
    if (n > 0 && random.below(5) > 0) {
      const std::vector<int32_t>& other = examples[random.below(n)].ids;
      ids.assign(other.begin(), other.begin() + static_cast<int64_t>(1 + random.below(other.size())));
    }
    const bool is_prefix = ids.size() > 2 && random.below(4) == 0;
    if (!is_prefix)
      for (uint64_t more = 2 + random.below(18); more > 0; --more)
        ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
    Example e = example(ids, 1 + random.below(ids.size() - 1), n + 1);
    if (random.below(3) == 0 && e.ids.size() > 4) {
      e.supervised.back() = 0;
      e.supervised[1] = 1;
    }
    examples.push_back(std::move(e));
  }
  return examples;
}

inline std::vector<const Example*> pointers(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

}  // namespace lora::testing
