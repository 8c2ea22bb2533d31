// Which rows are trained on and which are held out. Whole groups of near duplicates change sides together,
// system prompts keep their shares, and a row's side hangs on its content and the seed, not on its line.
// `valid` serves to choose (checkpoint, strength, …), `test` is asked once, for the verdict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/conversation.h"

namespace lora {

struct SplitOptions {
  uint64_t seed = 0;
  size_t test_size = 0;   // examples in `test`; 0: by the number of rows, 20 to 50 (more from 1,000 rows on)
  size_t valid_size = 0;  // examples in `valid`; 0: by the number of rows
};

struct Split {
  std::vector<Conversation> train;
  std::vector<Conversation> valid;
  std::vector<Conversation> test;
  // Further near duplicates of rows in valid or test: neither trained on (that would leak) nor asked (one row
  // per group counts).
  std::vector<Conversation> set_aside;
  std::string why;  // one sentence on the sizes, for the user
};

// Splits rows in three. Every part keeps the order of the rows. The same rows in any order give the same
// parts; appended rows move only rows at the borders. Errors: kInput when there are too few different rows,
// or the sizes asked leave none to train on.
Split split(const std::vector<Conversation>& rows, const SplitOptions& options);

// When the user gives test data: splits only `valid` off the training rows; `test` stays empty, test_size is
// not read.
Split split_valid(const std::vector<Conversation>& rows, const SplitOptions& options);

// A row of `train` that is in `test` too, by index.
struct Overlap {
  size_t train_index = 0;
  size_t test_index = 0;
  bool exact = false;  // the same messages; else the same user text up to case, white space and digits
};

// Each row of `train` that equals or nearly equals a row of `test`, with the first such row. Linear time.
std::vector<Overlap> find_overlap(const std::vector<Conversation>& train,
                                  const std::vector<Conversation>& test);

// A number per row; equal numbers mean near duplicates: the same user text after folding case (ASCII), white
// space and digits. Numbers are the content of some data ("What is 12 + 7?"): where folding digits would put
// more than 5 % of the rows (and more than 10) into one group, that group is told apart by its digits after
// all.
std::vector<uint64_t> near_duplicate_groups(const std::vector<Conversation>& rows);

// Hash of roles and contents, exactly.
uint64_t content_hash(const Conversation& conversation);

}  // namespace lora
