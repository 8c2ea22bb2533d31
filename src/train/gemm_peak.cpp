#include "train/gemm_peak.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <span>

#include "base/median.h"
#include "ops/cpu/panels.h"
#include "ops/row_blocks.h"
#include "ops/weight_panels.h"

namespace lora {
namespace {

// A matrix of at most so many numbers is measured with (256 MiB): larger ones multiply no faster.
constexpr int64_t kMostNumbers = int64_t{1} << 26;
// How often a product is repeated in a round.
constexpr size_t kFewestTimes = 3, kMostTimes = 15;
constexpr double kEnoughSeconds = 0.05;

// Pages of their own, which go back to the system: an allocator would keep them, and they would count as training's.
at::Tensor mapped_matrix(int64_t rows, int64_t columns) {
  const size_t bytes = static_cast<size_t>(rows) * static_cast<size_t>(columns) * sizeof(float);
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return at::from_blob(
             pages, {rows, columns}, [bytes](void* p) { ::munmap(p, bytes); },
             at::TensorOptions().dtype(at::kFloat))
      .fill_(0.5);
}

template <class Work>
std::vector<double> times_of(const Work& work) {
  work();  // touches the memory, wakes the threads
  std::vector<double> seconds;
  double sum = 0;
  while (seconds.size() < kFewestTimes || (sum < kEnoughSeconds && seconds.size() < kMostTimes)) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    sum += seconds.back();
  }
  return seconds;
}

std::vector<double> flat(const std::vector<std::vector<double>>& rounds) {
  std::vector<double> all;
  for (const auto& round : rounds) all.insert(all.end(), round.begin(), round.end());
  return all;
}

}  // namespace

void GemmPeak::Shape::measure() {
  const c10::NoGradGuard no_grad;
  at::Tensor W = mapped_matrix(out, in), x = mapped_matrix(rows, in), y = mapped_matrix(rows, out);
  forward.push_back(times_of([&] { at::mm_out(y, x, W.t()); }));
  backward.push_back(times_of([&] { at::mm_out(x, y, W); }));
}

void GemmPeak::Shape::measure_panels(MatmulPrecision precision) {
  const int64_t step = ops::cpu::panel_step<float>(precision);
  // A third is no bfloat16, nor the sum of two.
  const at::Tensor W = mapped_matrix(std::min(out, step), in).fill_(1.0 / 3),
                   x = mapped_matrix(rows, in).fill_(1.0 / 3), y = mapped_matrix(rows, out),
                   panels = mapped_matrix(1, ops::cpu::panel_numbers<float>(in, out, precision));
  for (int64_t row = 0; row < out; row += step)
    ops::cpu::pack_turned(W.const_data_ptr<float>(), in, std::min(step, out - row), in, 1.0F, row, precision,
                          panels.data_ptr<float>());
  const at::Tensor rooms =
      mapped_matrix(ops::row_workers(rows),
                    std::max<int64_t>(1, ops::cpu::product_room<float>(ops::kBlockRows, precision)));
  this->panels.push_back(times_of([&] {
    ops::for_row_blocks(rows, [&](const ops::RowBlock& block) {
      const ops::cpu::PanelFactor<float> factor{x.const_data_ptr<float>() + block.begin * in, in, in,
                                                panels.const_data_ptr<float>()};
      ops::cpu::panel_product(std::span(&factor, 1), block.rows(), out, /*accumulate=*/false,
                              y.data_ptr<float>() + block.begin * out, out, precision,
                              ops::room_of<float>(rooms, block));
    });
  }));
}

GemmRate GemmPeak::Shape::rate() const {
  return {rows, out, in, flops() / median(flat(forward)), flops() / median(flat(backward))};
}

GemmPeak::GemmPeak(const ModelConfig& model, int64_t tokens, int64_t head_tokens, MatmulPrecision precision)
    : precision_(precision) {
  const auto bounded = [](int64_t rows, int64_t columns) {
    return std::clamp<int64_t>(rows, 1, std::max<int64_t>(kMostNumbers / columns, 1));
  };
  for (const Module module : model.modules) {
    const auto [out, in] = module_shape(model, module);
    const Shape shape{bounded(tokens, std::max(out, in)), bounded(out, in), in};
    if (std::ranges::none_of(
            layers_, [&](const Shape& known) { return known.out == shape.out && known.in == shape.in; }))
      layers_.push_back(shape);
  }
  const int64_t rows = bounded(model.vocab_size, model.hidden_size);
  head_ = {bounded(head_tokens, rows), rows, model.hidden_size};
}

void GemmPeak::measure() {
  for (Shape& shape : layers_) {
    shape.measure();
    shape.measure_panels(precision_);
  }
  head_.measure();
}

std::vector<GemmRate> GemmPeak::layers() const {
  std::vector<GemmRate> rates;
  for (const Shape& shape : layers_) rates.push_back(shape.rate());
  return rates;
}

GemmRate GemmPeak::head() const {
  return head_.rate();
}

double GemmPeak::peak() const {
  double best = 0;
  for (const GemmRate& rate : layers()) best = std::max({best, rate.forward, rate.backward});
  return best;
}

double GemmPeak::panel_peak() const {
  double best = 0;
  for (const Shape& shape : layers_) best = std::max(best, shape.flops() / median(flat(shape.panels)));
  return best;
}

std::vector<double> GemmPeak::rounds() const {
  std::vector<double> peaks(head_.forward.size());
  for (size_t round = 0; round < peaks.size(); ++round)
    for (const Shape& shape : layers_)
      for (const auto* times : {&shape.forward, &shape.backward})
        peaks[round] = std::max(peaks[round], shape.flops() / median((*times)[round]));
  return peaks;
}

}  // namespace lora
