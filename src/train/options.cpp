#include "train/options.h"

#include <algorithm>
#include <cmath>

namespace lora {

RunLength run_length(const TrainOptions& options, int64_t rows) {
  const int64_t steps_per_epoch =
      std::max<int64_t>(1, (rows + options.batch_size() - 1) / options.batch_size());
  const auto by_epochs =
      static_cast<int64_t>(std::ceil(options.num_train_epochs * static_cast<double>(steps_per_epoch)));
  return {steps_per_epoch, options.max_steps > 0 ? options.max_steps : std::max<int64_t>(1, by_epochs)};
}

int64_t checkpoint_interval(const TrainOptions& options, int64_t total_steps) {
  return options.eval_steps > 0 ? options.eval_steps : std::max<int64_t>(1, (total_steps + 9) / 10);
}

}  // namespace lora
