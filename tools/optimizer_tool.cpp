// The optimizers from the command line, for comparison with other programs (tests/parity):
//   optimizer_tool IN.safetensors OUT.safetensors OPTIONS
// IN holds "p", a vector, and its gradients "g.0", "g.1", …, one a step. OPTIONS is a JSON object: optim, runs [[begin,
// size, learning_rate_ratio], …], learning_rate, weight_decay, gradient_scale, adam_beta1, adam_beta2, adam_epsilon.
// OUT gets "p.0", "p.1", … after each step, and the optimizer's state at the end.
#include <ATen/ATen.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "files/safetensors.h"
#include "train/adamw.h"
#include "train/adamw_8bit.h"
#include "weights/load.h"

using namespace lora;

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "usage: optimizer_tool IN OUT OPTIONS\n", 2;
  try {
    const SafetensorsFile in = SafetensorsFile::open(argv[1]);
    const auto options = nlohmann::json::parse(argv[3]);
    const at::Tensor p = load_tensor(*in.find("p"));
    std::vector<ParameterRun> runs;
    for (const auto& run : options.value("runs", nlohmann::json::array()))
      runs.push_back({run.at(0), run.at(1), run.at(2)});
    const AdamWOptions adamw{options.value("adam_beta1", 0.9), options.value("adam_beta2", 0.999),
                             options.value("adam_epsilon", 1e-8), options.value("weight_decay", 0.0)};
    std::unique_ptr<Optimizer> optimizer;
    if (options.value("optim", "adamw") == "adamw_8bit")
      optimizer = std::make_unique<AdamW8bit>(p, adamw, runs);
    else
      optimizer = std::make_unique<AdamW>(p, adamw, runs);

    std::vector<std::pair<std::string, at::Tensor>> results;
    for (int step = 0; const TensorInfo* g = in.find("g." + std::to_string(step)); ++step) {
      optimizer->step(load_tensor(*g), options.value("gradient_scale", 1.0), options.at("learning_rate"));
      results.emplace_back("p." + std::to_string(step), p.clone());
    }
    for (const auto& [name, tensor] : optimizer->state()) results.emplace_back(name, tensor);
    std::vector<TensorInfo> infos;
    for (const auto& [name, tensor] : results)
      infos.push_back({name, tensor.scalar_type() == at::kByte ? DType::kU8 : DType::kF32,
                       tensor.sizes().vec(),
                       std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes())});
    write_safetensors(argv[2], infos);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "optimizer_tool: " << error.what() << "\n";
    return 1;
  }
}
