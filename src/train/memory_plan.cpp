#include "train/memory_plan.h"

#include <algorithm>

#include "base/error.h"
#include "train/adamw_8bit.h"
#include "train/optimizer.h"

namespace lora {
namespace {

constexpr int64_t kFloat = 4;

// Code and buffers of LibTorch and its BLAS that a first step brings into memory, and what an allocator loses between
// blocks of many sizes. Measured (SmolLM2-135M, 2 threads, tcmalloc; RssAnon and RssFile at the peak of a run, less what is
// counted here and less what was resident before): docs/plan.md has the figures.
constexpr int64_t kCodeOfTraining = int64_t{62} << 20;
// And more where blocks of floats and of bfloat16 lie between each other: runs below 500 MB took 499 to 513 with 8 MiB.
constexpr int64_t kGapsOfTwoTypes = int64_t{20} << 20;

// Numbers of every matrix of an adapter, A and B in turn.
std::vector<int64_t> matrices(const ModelConfig& model, const AdapterConfig& adapter) {
  std::vector<int64_t> all;
  for (const auto& modules : resolve_target_modules(adapter.target_modules, model))
    for (const Module module : modules) {
      const auto [out, in] = module_shape(model, module);
      all.insert(all.end(), {adapter.r * in, adapter.r * out});
    }
  return all;
}

int64_t whole(int64_t numbers, int64_t of) {
  return (numbers + of - 1) / of * of;
}

int64_t cache_bytes(const ModelConfig& model, int64_t rows) {
  return 2 * model.num_hidden_layers * rows * model.num_key_value_heads * model.head_dim * kFloat;
}

}  // namespace

int64_t MemoryPlan::total() const {
  int64_t sum = 0;
  for (const auto& [name, bytes] : categories(*this)) sum += bytes;
  return sum;
}

std::vector<std::pair<std::string, int64_t>> categories(const MemoryPlan& p) {
  return {{"program", p.program},     {"base", p.base},           {"adapter", p.adapter},
          {"gradients", p.gradients}, {"optimizer", p.optimizer}, {"activations", p.activations},
          {"logits", p.logits},       {"workspace", p.workspace}, {"cache", p.cache}};
}

int64_t adapter_bytes(const ModelConfig& model, const AdapterConfig& adapter) {
  int64_t numbers = 0;
  for (const int64_t n : matrices(model, adapter)) numbers += whole(n, Adapter::kAlignment);
  return numbers * kFloat;
}

int64_t optimizer_bytes(const std::string& optim, const ModelConfig& model, const AdapterConfig& adapter) {
  if (!is_adamw_8bit(optim)) return 2 * adapter_bytes(model, adapter);
  int64_t bytes = 0;
  for (const int64_t n : matrices(model, adapter))
    bytes += n < AdamW8bit::kSmallest ? 2 * n * kFloat
                                      : 2 * (n + whole(n, AdamW8bit::kBlock) / AdamW8bit::kBlock * kFloat);
  return bytes;
}

MemoryPlan plan_memory(const MemoryInput& in, Recompute recompute) {
  const PassModel model = pass_model(in.model, in.adapter, in.threads, in.precision);
  MemoryPlan plan;
  plan.program =
      in.program + kCodeOfTraining + (in.precision == MatmulPrecision::kMedium ? kGapsOfTwoTypes : 0);
  plan.base = static_cast<int64_t>(in.base.total());
  plan.adapter = plan.gradients = adapter_bytes(in.model, in.adapter);
  plan.optimizer = optimizer_bytes(in.optim, in.model, in.adapter);

  PassBytes largest;
  const auto take = [&](const PassBytes& bytes) {
    if (bytes.total() > largest.total()) largest = bytes;
  };
  for (const PassSize& pass : in.training)
    take(training_pass(model, pass, least_recompute(model, pass, in.pass_bytes, recompute)));
  for (const PassSize& pass : in.scoring) take(reading_pass(model, pass));
  plan.activations = largest.activations;
  plan.logits = largest.logits;
  plan.workspace = largest.workspace;

  // Answers are written while no gradients are computed: they take the room of the passes, and what they need beyond it.
  if (in.answers.batch > 0) {
    const PassBytes prefill = reading_pass(
        model, {in.answers.prefill_tokens, in.answers.batch, in.answers.batch, in.answers.longest},
        in.answers.batch);
    const int64_t others = in.answers.other_adapters * (plan.adapter + plan.gradients);
    plan.cache = std::max<int64_t>(
        0, cache_bytes(in.model, in.answers.cache_rows) + prefill.total() + others - largest.total());
  }
  // Before the first step: all of the base, the last of it as it was read.
  const auto loading = static_cast<int64_t>(in.base.total() + in.base.loading) + in.program;
  plan.workspace += std::max<int64_t>(0, loading - plan.total());
  return plan;
}

}  // namespace lora
