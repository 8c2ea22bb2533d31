#include "train/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "files/safetensors.h"
#include "weights/load.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kStateFile = "state.json";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kAdapterFile = "adapter_model.safetensors";

// Of state.json: over all that it says but this.
std::string hash_of_state(Json state) {
  state.erase("state_sha256");
  return sha256_hex(state.dump());
}

Json number_or_null(const std::optional<double>& number) {
  return number ? Json(*number) : Json(nullptr);
}

std::optional<double> number_at(const Json& json, const char* key) {
  return json.contains(key) && !json[key].is_null() ? std::optional(json[key].get<double>()) : std::nullopt;
}

Json unlogged_json(const UnloggedSteps& steps) {
  return {{"loss", steps.loss},
          {"weight", steps.weight},
          {"grad_norm", steps.grad_norm},
          {"examples", steps.examples},
          {"tokens", steps.tokens},
          {"unique_tokens", steps.unique_tokens},
          {"supervised_tokens", steps.supervised_tokens}};
}

UnloggedSteps unlogged_from(const Json& json) {
  return {.loss = json.at("loss"),
          .weight = json.at("weight"),
          .grad_norm = json.at("grad_norm"),
          .examples = json.at("examples"),
          .tokens = json.at("tokens"),
          .unique_tokens = json.at("unique_tokens"),
          .supervised_tokens = json.at("supervised_tokens")};
}

bool awaits_evaluation(const Json& state) {
  return state.value("awaits_evaluation", false);
}

// Number by number: a tensor of answers would take memory that no plan counts.
int64_t count_not_finite(const at::Tensor& tensor) {
  int64_t count = 0;
  AT_DISPATCH_FLOATING_TYPES(tensor.scalar_type(), "count_not_finite", [&] {
    const scalar_t* numbers = tensor.const_data_ptr<scalar_t>();
    for (int64_t i = 0, n = tensor.numel(); i < n; ++i) count += std::isfinite(numbers[i]) ? 0 : 1;
  });
  return count;
}

TensorInfo describe(const std::string& name, const at::Tensor& t) {
  return {name, t.scalar_type() == at::kByte ? DType::kU8 : DType::kF32, t.sizes().vec(),
          std::span(static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes())};
}

void write_optimizer(const fs::path& path, const Optimizer& optimizer) {
  std::vector<TensorInfo> tensors;
  for (const auto& [name, tensor] : optimizer.state()) tensors.push_back(describe(name, tensor));
  write_safetensors(path, tensors);
}

// Errors: kInput when the file is of another optimizer.
void read_optimizer(const fs::path& path, Optimizer& optimizer) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const auto& [name, tensor] : optimizer.state()) {
    const TensorInfo* info = file.find(name);
    if (!info || at::IntArrayRef(info->shape) != tensor.sizes())
      throw Error::input({.where = path.string(),
                          .found = "the tensor " + name + " is missing, or of another shape",
                          .fix = "Remove the checkpoint."});
    at::Tensor(tensor).copy_(load_tensor(*info, tensor.scalar_type()));
  }
}

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    throw Error::machine({.where = folder.string(),
                          .found = "the folder cannot be made: " + code.message(),
                          .fix = "Choose an output_dir that can be written."});
}

CheckpointFolder::CheckpointFolder(fs::path root, std::string run_hash, std::function<bool(int64_t)> keeps)
    : root_(std::move(root)), run_hash_(std::move(run_hash)), keeps_(std::move(keeps)) {
  make_folder(root_);
}

fs::path CheckpointFolder::path_of(int64_t step) const {
  return root_ / ("step-" + std::to_string(step));
}

std::vector<int64_t> CheckpointFolder::steps_on_disk() const {
  std::vector<int64_t> steps;
  for (const auto& entry : fs::directory_iterator(root_)) {
    const std::string name = entry.path().filename();
    int64_t step = 0;
    const char* end = name.data() + name.size();
    if (!name.starts_with("step-")) continue;
    const auto parsed = std::from_chars(name.data() + 5, end, step);
    if (parsed.ec == std::errc() && parsed.ptr == end) steps.push_back(step);
  }
  std::ranges::sort(steps);
  return steps;
}

void CheckpointFolder::save(const TrainState& state, const Adapter& adapter, const Optimizer& optimizer,
                            const AdapterRecord& record) const {
  const fs::path final_path = path_of(state.step);
  if (const auto there = valid_state(final_path))
    if (state.awaits_evaluation || !awaits_evaluation(*there)) return;
  require_finite(state.step, adapter, &optimizer);
  const fs::path temporary = root_ / ("incomplete-step-" + std::to_string(state.step));
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  save_peft(temporary, adapter, &record);
  write_optimizer(temporary / kOptimizerFile, optimizer);
  Json json{{"format", 1},
            {"run", run_hash_},
            {"batch", state.batch},
            {"step", state.step},
            {"optimizer_steps", optimizer.steps()},
            {"bad_in_a_row", state.bad_in_a_row},
            {"seconds", state.seconds},
            {"first_eval_loss", number_or_null(state.first_eval_loss)},
            {"best_eval_loss", number_or_null(state.best_eval_loss)},
            {"best_step", state.best_step},
            {"warnings", state.warnings},
            {"unlogged", unlogged_json(state.unlogged)},
            {"awaits_evaluation", state.awaits_evaluation},
            {"sha256",
             {{kAdapterFile, sha256_file(temporary / kAdapterFile)},
              {kOptimizerFile, sha256_file(temporary / kOptimizerFile)}}}};
  json["state_sha256"] = hash_of_state(json);
  write_file_atomic(temporary / kStateFile, json.dump(2) + "\n", IfExists::kReplace);
  fs::remove_all(final_path);  // torn, or without its evaluation
  publish_directory(temporary, final_path);

  const std::vector<int64_t> steps = steps_on_disk();
  for (size_t i = 0; i + 2 < steps.size(); ++i)
    if (steps[i] != state.best_step && !(keeps_ && keeps_(steps[i]))) fs::remove_all(path_of(steps[i]));
}

void CheckpointFolder::require_finite(int64_t step, const Adapter& adapter,
                                      const Optimizer* optimizer) const {
  int64_t bad = 0;
  std::string first;
  const auto look_at = [&](const std::string& name, const at::Tensor& numbers) {
    const int64_t more = count_not_finite(numbers);
    if (bad == 0 && more > 0) first = name;
    bad += more;
  };
  for (const Adapter::Entry& entry : adapter.entries()) look_at(entry.name, entry.tensor);
  if (optimizer)
    for (const auto& [name, tensor] : optimizer->state())
      if (tensor.is_floating_point()) look_at("the optimizer's " + name, tensor);
  if (bad == 0) return;
  const std::optional<int64_t> sound = newest(step);
  throw Error::input(
      {.where = fmt::format("step {}", step),
       .found = fmt::format(
           "numbers are not finite after this step ({}, the first in {}); they are not saved", bad, first),
       .fix = "Lower learning_rate or max_grad_norm (0 clips nothing), with another output_dir. " +
              (sound ? path_of(*sound).string() + " is the last sound checkpoint."
                     : "There is no sound checkpoint.")});
}

// The checkpoint's state when all of it is there and of this run; a torn or foreign one is as good as none.
std::optional<Json> CheckpointFolder::valid_state(const fs::path& folder) const {
  try {
    const Json json = Json::parse(read_file(folder / kStateFile));
    if (json.at("format") != 1 || json.at("run") != run_hash_ ||
        json.at("state_sha256") != hash_of_state(json))
      return std::nullopt;
    for (const auto& [file, hash] : json.at("sha256").items())
      if (sha256_file(folder / file) != hash.get<std::string>()) return std::nullopt;
    return json;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::optional<int64_t> CheckpointFolder::newest(int64_t end) const {
  const std::vector<int64_t> steps = steps_on_disk();
  const auto found =
      std::find_if(steps.rbegin(), steps.rend(), [&](int64_t step) { return step < end && holds(step); });
  return found == steps.rend() ? std::nullopt : std::optional(*found);
}

bool CheckpointFolder::holds(int64_t step) const {
  return valid_state(path_of(step)).has_value();
}

void CheckpointFolder::read_adapter(int64_t step, Adapter& adapter) const {
  if (!holds(step))
    throw Error::machine(
        {.where = path_of(step).string(),
         .found = "this checkpoint holds the best adapter, and is missing or damaged",
         .fix = "Remove the run's folder and train again, or take a newer checkpoint's adapter."});
  read_matrices(path_of(step), adapter);
}

std::optional<TrainState> CheckpointFolder::restore_newest(Adapter& adapter, Optimizer& optimizer) const {
  // What a killed sitting was writing; whole where only its name was missing.
  constexpr std::string_view kIncomplete = "incomplete-";
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(root_))
    if (entry.path().filename().string().starts_with(kIncomplete)) left.push_back(entry.path());
  for (const fs::path& folder : left) {
    const fs::path place = root_ / folder.filename().string().substr(kIncomplete.size());
    if (valid_state(folder) && !valid_state(place)) {
      fs::remove_all(place);
      publish_directory(folder, place);
    } else {
      fs::remove_all(folder);
    }
  }
  std::vector<int64_t> steps = steps_on_disk();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const fs::path folder = path_of(*step);
    const auto json = valid_state(folder);
    if (!json) continue;
    read_matrices(folder, adapter);
    read_optimizer(folder / kOptimizerFile, optimizer);
    optimizer.set_steps(json->at("optimizer_steps").get<int64_t>());
    TrainState state;
    state.batch = json->at("batch");
    state.step = json->at("step");
    state.bad_in_a_row = json->at("bad_in_a_row");
    state.seconds = json->at("seconds");
    state.best_step = json->at("best_step");
    // The first and the warnings are not in checkpoints of before 30 November 2026.
    state.first_eval_loss = number_at(*json, "first_eval_loss");
    state.best_eval_loss = number_at(*json, "best_eval_loss");
    state.warnings = json->value("warnings", std::vector<std::string>{});
    if (json->contains("unlogged")) state.unlogged = unlogged_from(json->at("unlogged"));
    state.awaits_evaluation = awaits_evaluation(*json);
    return state;
  }
  return std::nullopt;
}

}  // namespace lora
