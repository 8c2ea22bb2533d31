// Which rows are trained on and which are held out. Whole groups of rows that belong together (row_groups.h) change
// sides together, system prompts and answer formats keep their shares, and a row's side hangs on its content and the
// seed, not on its line. `valid` serves to choose (checkpoint, strength, …), `test` is asked once, for the verdict.
// docs/split.md tells users how and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "data/row_groups.h"

namespace lora {

struct SplitOptions {
  uint64_t seed = 0;
  size_t test_size = 0;   // examples in `test`; 0: by the number of rows, 20 to 50 (more from 1,000 rows on)
  size_t valid_size = 0;  // examples in `valid`; 0: by the number of rows
  // Golden rows are trained on too: then nothing they say afterwards is evidence. By default they are kept out.
  bool golden_in_train = false;
};

struct Split {
  std::vector<Conversation> train;
  std::vector<Conversation> valid;
  std::vector<Conversation> test;
  // Further near duplicates of rows in valid, test or golden: neither trained on (that would leak) nor asked (one row
  // per group counts).
  std::vector<Conversation> set_aside;
  // Rows marked golden, all of them: asked separately after every run. With golden_in_train they are in train as well.
  std::vector<Conversation> golden;
  std::string why = {};  // on the sizes, for the user
};

// Splits rows. Every part keeps the order of the rows. The same rows in any order give the same parts; appended rows
// move only rows at the borders. A group too large to be worth holding out (more than 2 % of the rows and more than 10)
// is trained on, and so is one whose question rows of other groups learn to answer in an earlier turn (row_groups.h:
// it is too short, or too common, to tie them). Errors: kInput when there are too few different rows, or the sizes
// asked leave none to train on.
Split split(const std::vector<Conversation>& rows, const SplitOptions& options);

// When the user gives test data: splits only `valid` off the training rows; `test` stays empty, test_size is
// not read.
Split split_valid(const std::vector<Conversation>& rows, const SplitOptions& options);

// All rows to train on but golden ones and their near duplicates; `why` stays empty.
Split split_nothing(const std::vector<Conversation>& rows, const SplitOptions& options);

// A row of `train` that is in `test` too, by index.
struct Overlap {
  size_t train_index = 0;
  size_t test_index = 0;
  bool exact = false;  // the same messages
  // Some turn that is learned from asks the same words in the same context (true when exact); else a near duplicate.
  bool same_question = false;
  double similarity = 1;  // of the questions
};

// Each row of `train` that equals or nearly equals a row of `test`, with the first such row. Linear time.
std::vector<Overlap> find_overlap(const std::vector<Conversation>& train,
                                  const std::vector<Conversation>& test);

}  // namespace lora
