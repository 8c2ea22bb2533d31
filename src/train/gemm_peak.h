// The fastest that this machine multiplies matrices of the shapes that training multiplies: the denominator of "percent of
// the speed of light" (step_bench.h). fp32, all threads, BLAS, dense matrices; beside it this program's own products
// (ops/cpu/panels.h), with weights that are laid out already.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matmul_precision.h"
#include "model/config.h"

namespace lora {

// Products with one matrix W (out, in), both ways that training needs it.
struct GemmRate {
  int64_t rows = 0;         // of x and dy
  int64_t out = 0, in = 0;  // of W; out is fewer than the model's where W would be too large to measure with
  double forward = 0;       // x W^T, in FLOP/s: median
  double backward = 0;      // dy W
  double both() const { return 2 / (1 / forward + 1 / backward); }  // one after the other
};

class GemmPeak {
 public:
  // `tokens`: rows of a product with a layer's matrix, those of a micro-batch; `head_tokens`: with the head's.
  // `precision`: that panels are multiplied with.
  GemmPeak(const ModelConfig& model, int64_t tokens, int64_t head_tokens, MatmulPrecision precision);

  // Measures every shape once more: medians are over all rounds. A second or so for a model of 100M parameters. The
  // memory that it takes is given back to the system.
  void measure();

  // After at least one measure():
  std::vector<GemmRate> layers() const;  // the shapes of the model's linear layers, each once
  GemmRate head() const;
  double peak() const;        // FLOP/s, the best of all medians of layers()
  double panel_peak() const;  // of panels that hold any floats: the best median of a layer's x W^T
  // peak() of each round alone: they differ by as much as the machine does.
  std::vector<double> rounds() const;

 private:
  struct Shape {
    int64_t rows, out, in;
    std::vector<std::vector<double>> forward{}, backward{}, panels{};  // seconds, of each round
    double flops() const { return 2.0 * static_cast<double>(rows * out) * static_cast<double>(in); }
    void measure();
    void measure_panels(MatmulPrecision precision);
    GemmRate rate() const;
  };
  std::vector<Shape> layers_;
  Shape head_;
  MatmulPrecision precision_;
};

}  // namespace lora
