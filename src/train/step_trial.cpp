#include "train/step_trial.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/random.h"
#include "model/decoder.h"
#include "ops/head_loss.h"
#include "train/adamw.h"
#include "train/adamw_8bit.h"
#include "train/optimizer.h"

namespace lora {
namespace {

// One layer whole, and the last one, which leaves much out; two whole ones more.
constexpr int64_t kFewLayers = 2, kMoreLayers = 4;
constexpr int64_t kMostParameters = int64_t{1}
                                    << 22;  // of an optimizer: no cache holds so many with their moments

// The fastest of `repeats` times, after one more that brings code and memory in.
template <class Work>
double fastest(int64_t repeats, const Work& work) {
  work();
  double best = std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < repeats; ++i) {
    const auto began = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  }
  return best;
}

ModelConfig first_layers(ModelConfig model, int64_t layers) {
  model.num_hidden_layers = std::min(layers, model.num_hidden_layers);
  if (!model.layers.empty()) model.layers.resize(static_cast<size_t>(model.num_hidden_layers));
  return model;
}

// Layers from this one on are differentiated.
int64_t lowest_adapted(const ModelConfig& model, const AdapterConfig& adapter) {
  const auto targets = resolve_target_modules(adapter.target_modules, model);
  const auto first = std::ranges::find_if(targets, [](const auto& modules) { return !modules.empty(); });
  return first - targets.begin();
}

// The modules of the layer that has most, by their names: first layers may have none.
AdapterConfig as_in_most_layers(AdapterConfig adapter, const ModelConfig& model) {
  const auto targets = resolve_target_modules(adapter.target_modules, model);
  const auto& most =
      *std::ranges::max_element(targets, {}, [](const auto& modules) { return modules.size(); });
  adapter.target_modules.clear();
  for (const Module module : most) adapter.target_modules.emplace_back(module_name(module));
  return adapter;
}

double optimizer_rate(const std::string& optim, int64_t parameters, int64_t repeats) {
  const int64_t n = std::min(parameters, kMostParameters);
  // Gradients as different as real ones: some optimizers search among values.
  at::Tensor gradients = at::empty({n});
  Random random(1, 1);
  for (int64_t i = 0; i < n; ++i) gradients.data_ptr<float>()[i] = static_cast<float>(random.uniform() - 0.5);
  const at::Tensor p = at::zeros({n});
  std::unique_ptr<Optimizer> optimizer;
  if (is_adamw_8bit(optim))
    optimizer = std::make_unique<AdamW8bit>(p, AdamWOptions{});
  else
    optimizer = std::make_unique<AdamW>(p, AdamWOptions{}, std::vector<ParameterRun>{});
  const double seconds = fastest(repeats, [&] {
    at::linalg_vector_norm(gradients, 2, std::nullopt, false, at::kDouble);
    optimizer->step(gradients, 1, 1e-4);
    gradients.mul_(0.9);
  });
  return static_cast<double>(n) / seconds;
}

// One token for each of `batch` answers, whose prompts are cached.
double decoding_seconds(const Decoder& decoder, const ModelConfig& model, const Adapter& adapter,
                        const TrialOptions& trial) {
  const int64_t room = trial.prompt_tokens + 1;
  KvCache cache(decoder.config(), trial.batch * room, decoder.options());
  for (auto* side : {&cache.keys, &cache.values})
    for (at::Tensor& rows : *side) rows.zero_();
  CachedTokens tokens;
  for (int64_t i = 0; i < trial.batch; ++i) {
    const int64_t row = i * room + trial.prompt_tokens;
    tokens.ids.push_back(i % model.vocab_size);
    tokens.positions.push_back(trial.prompt_tokens);
    tokens.cache_rows.push_back(row);
    tokens.rows.push_back(i);
    tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
    tokens.layout.blocks.push_back({i, i + 1, row, {{i * room, row}}});
  }
  tokens.adapters = {{0, trial.batch, &adapter}};
  const double all = fastest(trial.repeats, [&] { decoder.forward_cached(tokens, cache); });
  const at::Tensor hidden = at::zeros({trial.batch, model.hidden_size});
  const double head = fastest(trial.repeats, [&] { ops::head_logits(hidden, decoder.weights().head, {}); });
  const double layers = std::max(0.0, all - head) / static_cast<double>(decoder.config().num_hidden_layers);
  return head + layers * static_cast<double>(model.num_hidden_layers);
}

}  // namespace

PassWork& PassWork::operator+=(const PassWork& other) {
  layers += other.layers;
  head += other.head;
  return *this;
}

PassWork pass_work(const ModelConfig& model, int64_t adapter_weights, const StepSize& size,
                   int64_t last_rows) {
  const StepCost cost = step_cost(model, adapter_weights, size);
  if (size.unique_tokens == 0) return {};
  double whole = 0, pruned = 0;  // weights of a layer; those that its left-out tokens do not need
  for (const Module module : model.modules) {
    const auto [out, in] = module_shape(model, module);
    const auto weights = static_cast<double>(out * in);
    whole += weights;
    const bool reads =
        module == Module::kQ || module == Module::kK || module == Module::kV || module == Module::kQkv;
    if (!reads) pruned += weights;
  }
  const double left_out = 1 - static_cast<double>(last_rows) / static_cast<double>(size.unique_tokens);
  const auto layers = static_cast<double>(model.num_hidden_layers);
  const double linear = 1 - left_out * pruned / whole / layers, attention = 1 - left_out / layers;
  return {(cost.frozen + cost.adapter) * linear + cost.attention * attention, cost.head};
}

StepTrial try_steps(const Checkpoint& checkpoint, const ModelConfig& model,
                    const AdapterConfig& adapter_config, const TrainOptions& options, const Forest& pass,
                    const TrialOptions& trial) {
  const PassSize size = pass_size(pass);
  const AdapterConfig everywhere = as_in_most_layers(adapter_config, model);
  // A model of so many of its layers: the times of a pass, and its work.
  struct Depth {
    Decoder decoder;
    Adapter adapter;
    PassWork work;
    double step = 0, read = 0;
  };
  const auto depth_of = [&](const ModelConfig& config, ModelWeights weights) {
    weights.blocks.resize(static_cast<size_t>(config.num_hidden_layers));
    Depth depth{
        Decoder(config, std::move(weights)), Adapter::create(config, everywhere, options.seed),
        pass_work(config, adapter_weights(config, everywhere), step_size(config, pass), size.last_rows)};
    depth.step = fastest(trial.repeats, [&] {
      depth.decoder.loss(pass, &depth.adapter, options.seed, options.recompute).loss.backward();
    });
    depth.read = fastest(trial.repeats, [&] {
      const c10::NoGradGuard no_grad;
      depth.decoder.loss(pass, &depth.adapter, std::nullopt);
    });
    return depth;
  };
  const ModelConfig few = first_layers(model, kFewLayers), more = first_layers(model, kMoreLayers);
  ModelWeights base = load_first_layers(checkpoint, model, more.num_hidden_layers, trial.storage);
  base.set_precision(trial.precision.value_or(base.training_precision()));
  const Depth low = depth_of(few, base), high = depth_of(more, base);
  const Decoder& decoder = high.decoder;

  StepTrial result;
  const at::Tensor targets = at::tensor(pass.targets, at::kLong);
  const at::Tensor weights = at::ones({size.supervised});
  const at::Tensor hidden = at::zeros({size.supervised, model.hidden_size}).requires_grad_(true);
  const ops::HeadShape shape{1.0 / model.logits_scaling, model.final_logit_softcapping};
  const double head = fastest(trial.repeats, [&] {
    ops::head_loss(hidden, decoder.weights().head, shape, targets, weights, ops::Backend::kFused)
        .loss.backward();
  });
  result.head = low.work.head / std::min(head, 0.9 * low.step);
  // Seconds of the layers that `high` has more; with none more, or on a busy machine where it took no longer, of `low` what the
  // head does not take. No less than a tenth is theirs.
  const auto rate = [&](double lower, double higher, double of_head, double flops_a_layer) {
    if (more.num_hidden_layers > few.num_hidden_layers && higher > 1.1 * lower)
      return flops_a_layer * (high.work.layers - low.work.layers) / (higher - lower);
    return flops_a_layer * low.work.layers / std::max(lower - of_head, 0.1 * lower);
  };
  result.layers = rate(low.step, high.step, head, 1);
  result.reading = rate(low.read, high.read, head / 2, 0.5);
  result.pass = std::max(0.0, low.step - head - low.work.layers / result.layers);
  result.optimizer = optimizer_rate(options.optim, adapter_weights(model, adapter_config), trial.repeats);
  if (trial.batch > 0) result.decoding = decoding_seconds(decoder, model, high.adapter, trial);
  return result;
}

double training_seconds(const StepTrial& trial, const ModelConfig& model, const AdapterConfig& adapter,
                        const RunPasses& passes) {
  const int64_t parameters = adapter_weights(model, adapter);
  int64_t last_rows = 0;
  for (const PassSize& pass : passes.passes) last_rows += pass.last_rows;
  const PassWork work = pass_work(model, parameters, passes.size, last_rows);
  // Below the lowest adapter nothing is differentiated.
  const double below =
      static_cast<double>(lowest_adapted(model, adapter)) / static_cast<double>(model.num_hidden_layers);
  return work.layers * (1 - below) / trial.layers + work.layers * below / 2 / trial.reading +
         work.head / trial.head + static_cast<double>(passes.passes.size()) * trial.pass +
         static_cast<double>(passes.steps * parameters) / trial.optimizer;
}

double scoring_seconds(const StepTrial& trial, const ModelConfig& model, const RunPasses& passes) {
  int64_t last_rows = 0;
  for (const PassSize& pass : passes.passes) last_rows += pass.last_rows;
  const PassWork work = pass_work(model, 0, passes.size, last_rows);
  return work.layers / 2 / trial.reading + work.head / 2 / trial.head;
}

}  // namespace lora
