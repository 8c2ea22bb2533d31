#include "train/batches.h"

#include <algorithm>

#include "base/hash.h"
#include "base/random.h"

namespace lora {

std::vector<size_t> row_order(uint64_t seed, int64_t epoch, size_t rows) {
  constexpr uint64_t kOrderStream = 0x6f72646572;  // "order": keeps it apart from other streams of the seed
  return Random(seed, mix64(kOrderStream, static_cast<uint64_t>(epoch))).permutation(rows);
}

Batches::Batches(const std::vector<Example>& rows, const TrainOptions& options)
    : rows_(rows),
      seed_(options.seed),
      batch_size_(options.batch_size()),
      length_(run_length(options, static_cast<int64_t>(rows.size()))) {}

std::vector<const Example*> Batches::at(int64_t batch) {
  const int64_t epoch = batch / length_.steps_per_epoch, place = batch % length_.steps_per_epoch;
  if (epoch != order_epoch_) {
    order_ = row_order(seed_, epoch, rows_.size());
    order_epoch_ = epoch;
  }
  const auto begin = static_cast<size_t>(place * batch_size_);
  const size_t end = std::min(order_.size(), begin + static_cast<size_t>(batch_size_));
  std::vector<const Example*> examples;
  for (size_t i = begin; i < end; ++i) examples.push_back(&rows_[order_[i]]);
  return examples;
}

}  // namespace lora
