// AdamW with its moments in 8 bits (arXiv 2110.02861): blocks of 256 numbers, each scaled by its largest, in the
// "dynamic" code. Codes, block size, arithmetic and the exemption of small matrices are bitsandbytes'.
#pragma once

#include "train/dynamic_code.h"
#include "train/optimizer.h"

namespace lora {

class AdamW8bit : public Optimizer {
 public:
  static constexpr int64_t kBlock = 256;
  static constexpr int64_t kSmallest = 4096;  // a run with fewer numbers keeps its moments in float

  // `parameters`: float, updated in place. `runs` in ascending order; no runs: all of it is one.
  AdamW8bit(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs = {});

  void step(const at::Tensor& gradients, double gradient_scale, double learning_rate) override;
  // Codes and scales of both moments, and the float moments of small runs, each run after run.
  std::vector<std::pair<std::string, at::Tensor>> state() const override;

 private:
  struct Place {      // of a run in the state
    int64_t numbers;  // first code, or first float of a small run
    int64_t block;    // first block; -1: a small run
  };
  struct Piece {  // some blocks of a run
    size_t run;
    int64_t begin, end;
  };
  struct Coefficients;
  // gradients: of the run.
  template <bool kCoded>
  void update(const Piece& piece, const float* gradients, const Coefficients& c);

  at::Tensor parameters_;
  AdamWOptions options_;
  std::vector<ParameterRun> runs_;
  std::vector<Place> places_;
  std::vector<Piece> pieces_;
  DynamicCode code1_, code2_;
  at::Tensor codes1_, codes2_;    // uint8
  at::Tensor scales1_, scales2_;  // float, one a block
  at::Tensor small1_, small2_;    // float
};

}  // namespace lora
