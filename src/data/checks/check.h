// What every check of the data doctor is: it sees each readable row once, in the order of the file, and speaks at the
// end about all of them. A check keeps little of a row (hashes, counts), so that a file of a gigabyte fits; what it
// must see again it reads again.
#pragma once

#include <cstddef>
#include <functional>

#include "data/conversation.h"
#include "data/finding.h"

namespace lora {

// A row that could be read.
struct Row {
  size_t index;  // among the readable rows, from 0
  size_t line;   // in the file, from 1
  const Conversation& conversation;
  // Column, in characters from 1, where byte `offset` of a message's content stands in the line (of `text` in a
  // plain-text row, message 0).
  std::function<size_t(size_t message, size_t offset)> column;
  size_t tokens =
      0;  // counted by the model, or estimated; 0 where the model's template does not take the row
};

// Reads row `index` again, as it was seen.
using Reread = std::function<Conversation(size_t index)>;

class DataCheck {
 public:
  virtual ~DataCheck() = default;
  virtual void see(const Row& row, Findings& findings) = 0;
  // After the last row.
  virtual void finish(const Reread& reread, Findings& findings) {
    (void)reread;
    (void)findings;
  }
};

}  // namespace lora
