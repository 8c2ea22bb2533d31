#include "train/step_cost.h"

#include <algorithm>
#include <map>

namespace lora {
namespace {

// Keys that the queries of a block attend to, added up: `before` ahead of the first, one more for each that follows, of
// which a window leaves `window` at most (0: all).
int64_t keys_of(int64_t queries, int64_t before, int64_t window) {
  const auto growing = [&](int64_t n) { return n * before + n * (n + 1) / 2; };  // of the first n queries
  if (window == 0) return growing(queries);
  const int64_t unaffected = std::clamp<int64_t>(window - before, 0, queries);
  return growing(unaffected) + (queries - unaffected) * window;
}

int64_t keys_of(const ops::AttentionLayout& layout, int64_t window) {
  int64_t keys = 0;
  for (const ops::AttentionBlock& block : layout.blocks) {
    int64_t before = 0;
    for (const ops::KeyRange& range : block.context) before += range.end - range.begin;
    keys += keys_of(block.q_end - block.q_begin, before, window);
  }
  return keys;
}

}  // namespace

StepSize& StepSize::operator+=(const StepSize& other) {
  unique_tokens += other.unique_tokens;
  supervised_tokens += other.supervised_tokens;
  attended_keys += other.attended_keys;
  return *this;
}

StepSize step_size(const ModelConfig& model, const Forest& forest) {
  std::map<int64_t, int64_t> layers;  // by window
  for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer)
    ++layers[model.layer(layer).sliding_window];
  StepSize size{forest.unique_tokens(), forest.supervised_tokens(), 0};
  for (const auto& [window, count] : layers) size.attended_keys += count * keys_of(forest.layout, window);
  return size;
}

StepCost step_cost(const ModelConfig& model, int64_t adapter_weights, const StepSize& size) {
  const auto tokens = static_cast<double>(size.unique_tokens);
  StepCost cost;
  for (const Module module : model.modules) {
    const auto [out, in] = module_shape(model, module);
    auto shape = std::ranges::find_if(cost.shapes, [&, out = out, in = in](const StepCost::Shape& s) {
      return s.out == out && s.in == in;
    });
    if (shape == cost.shapes.end()) shape = cost.shapes.insert(shape, {out, in, 0, 0});
    shape->count += model.num_hidden_layers;
  }
  for (StepCost::Shape& shape : cost.shapes) {
    shape.flops = 4.0 * static_cast<double>(shape.out * shape.in * shape.count) * tokens;
    cost.frozen += shape.flops;
  }
  cost.adapter = 6.0 * static_cast<double>(adapter_weights) * tokens;
  cost.attention = 14.0 * static_cast<double>(size.attended_keys) *
                   static_cast<double>(model.num_attention_heads * model.head_dim);
  cost.head = 4.0 * static_cast<double>(model.vocab_size * model.hidden_size) *
              static_cast<double>(size.supervised_tokens);
  return cost;
}

int64_t adapter_weights(const ModelConfig& model, const AdapterConfig& adapter) {
  int64_t weights = 0;
  for (const auto& modules : resolve_target_modules(adapter.target_modules, model))
    for (const Module module : modules) {
      const auto [out, in] = module_shape(model, module);
      weights += adapter.r * (out + in);
    }
  return weights;
}

}  // namespace lora
