// Twins: rows that teach the same thing, near duplicates in the sense of a data set.
//
// Similar words are not enough. "What is 12 + 7?" and "What is 12 + 9?" share nearly all words, and so do two invoices
// under one long instruction, yet each teaches something of its own. So pairs with similar questions
// (data/near_duplicates.h) are looked at where they differ:
//
//   slot    a place where the rows of this set differ as a matter of course: the words around it stand in many rows,
//           each with a filling of its own; or the two fillings are numbers. Rows that differ in a slot are no twins.
//   change  a place where one of the rows departs from what the others agree on, or has a word that no other row
//           knows, or a slip of the pen. Rows that differ in changes only are twins.
//
// In a set that is not made from templates there is nothing to tell slots by; there similar questions with similar
// answers are twins. How much of a set's text recurs decides which of the two ways it is read.
//
// Answers count as well: the same question with another answer is a conflict, not a twin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/checks/check.h"
#include "data/conversation.h"
#include "data/near_duplicates.h"

namespace lora {

struct Twin {
  size_t first = 0, second = 0;  // rows in the order they were added, first < second
  double similarity = 0;         // Jaccard of the questions' shingles
};

class TwinRows {
 public:
  explicit TwinRows(size_t memory_budget = size_t{32} << 20);

  void add(const Conversation& row);
  size_t size() const { return instructions_.size(); }

  // All twins of each row among the rows before it, but of many near-equal ones a few: the nearest, and those whose
  // answer is the same and rare; exact copies too. With a border, only twins of which one stands before it. `reread`
  // gives a row again, for the few whose letters decide. Linear in the rows, 60 bytes of memory a row and about 120 MB.
  // Errors: kMachine (temporary file).
  std::vector<Twin> find(const Reread& reread, size_t border = 0) const;

  // Share of the words that stand in phrases which many rows hold, 0 to 1.
  double recurrence() const;

 private:
  size_t budget_;
  WordStore questions_, answers_;
  std::vector<uint64_t> instructions_;  // system prompt and tools
};

}  // namespace lora
