// Which rows form which optimizer step: a function of seed and row count, so that a resumed run, and a plan, know it.
#pragma once

#include <cstdint>
#include <vector>

#include "train/example.h"
#include "train/options.h"

namespace lora {

// The order in which an epoch goes through the rows: a permutation of 0 … rows - 1.
std::vector<size_t> row_order(uint64_t seed, int64_t epoch, size_t rows);

// The batches of a run: each epoch's order cut into batches, of which the last may be smaller. `rows` must outlive it.
class Batches {
 public:
  Batches(const std::vector<Example>& rows, const TrainOptions& options);

  RunLength length() const { return length_; }
  // The rows of batch number `batch`, counted from the beginning of the run. Quick within an epoch.
  std::vector<const Example*> at(int64_t batch);

 private:
  const std::vector<Example>& rows_;
  uint64_t seed_;
  int64_t batch_size_;
  RunLength length_;
  std::vector<size_t> order_;
  int64_t order_epoch_ = -1;
};

}  // namespace lora
