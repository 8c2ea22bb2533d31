// metrics.jsonl: one line for each logged step (docs/formats/run_directory.md).
#pragma once

#include <filesystem>
#include <optional>

#include "train/step.h"

namespace lora {

// What is logged; counts are of the steps since the last line, `seconds` since the run began.
struct MetricsLine {
  int64_t step = 0;
  double epoch = 0;
  double loss = 0;
  std::optional<double> eval_loss{};
  double learning_rate = 0;
  double grad_norm = 0;
  int64_t examples = 0, tokens = 0, unique_tokens = 0, supervised_tokens = 0;
  double seconds = 0;
};

class MetricsFile {
 public:
  explicit MetricsFile(std::filesystem::path path) : path_(std::move(path)) {}

  // Appends a line, with the peak memory so far. Errors: kMachine.
  void append(const MetricsLine& line) const;
  // Drops lines of steps after `step`: a resumed run makes them again.
  void keep_until(int64_t step) const;

 private:
  std::filesystem::path path_;
};

}  // namespace lora
