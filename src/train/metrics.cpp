#include "train/metrics.h"

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/memory.h"

namespace lora {

void MetricsFile::append(const MetricsLine& line) const {
  nlohmann::ordered_json json;
  json["step"] = line.step;
  json["epoch"] = line.epoch;
  json["loss"] = line.loss;
  json["eval_loss"] =
      line.eval_loss ? nlohmann::ordered_json(*line.eval_loss) : nlohmann::ordered_json(nullptr);
  json["learning_rate"] = line.learning_rate;
  json["grad_norm"] = line.grad_norm;
  json["examples"] = line.examples;
  json["tokens"] = line.tokens;
  json["unique_tokens"] = line.unique_tokens;
  json["supervised_tokens"] = line.supervised_tokens;
  json["seconds"] = line.seconds;
  json["peak_memory_bytes"] = peak_resident_bytes();
  std::ofstream out(path_, std::ios::app | std::ios::binary);
  out << json.dump() << '\n' << std::flush;
  if (!out)
    throw Error::machine_errno({.where = path_.string(), .found = "the line cannot be written"}, errno);
}

void MetricsFile::keep_until(int64_t step) const {
  if (!std::filesystem::exists(path_)) return;
  std::istringstream in(read_file(path_));
  std::string kept, line;
  while (std::getline(in, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    // A line that a kill cut short does not parse; its step comes after the checkpoint.
    if (json.is_object() && json.contains("step") && json["step"].is_number_integer() && json["step"] <= step)
      kept += line + "\n";
  }
  write_file_atomic(path_, kept, IfExists::kReplace);
}

}  // namespace lora
