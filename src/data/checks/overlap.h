// Rows that stand in a second file too: `train-eval-overlap` for held-out rows, `golden-problem` for golden rows kept
// in a file of their own. The same question, in any turn that is learned from, is overlap, whatever the answer; the
// same answer to another question is not. Equal rows and equal questions are errors, near duplicates
// (data/twin_rows.h) are warnings: a judgement.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/checks/check.h"

namespace lora {

enum class OtherFile {
  kHeldOut,  // train-eval-overlap
  kGolden,   // golden-problem
};

// `others` are the rows of the second file, `name` its name in messages ("eval.jsonl:12").
std::unique_ptr<DataCheck> make_overlap_check(const std::vector<Conversation>& others, std::string name,
                                              OtherFile kind = OtherFile::kHeldOut);

}  // namespace lora
