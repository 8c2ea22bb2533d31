#include "train/pass_memory.h"

#include <algorithm>
#include <set>

#include "ops/attention.h"
#include "ops/frozen_linear.h"
#include "ops/head_loss.h"
#include "ops/kept_rows.h"
#include "ops/low_rank.h"
#include "ops/row_blocks.h"
#include "ops/weight_panels.h"

namespace lora {
namespace {

constexpr int64_t kFloat = 4;  // bytes of a number

// Numbers in a layer of a pass: `rows` are the tokens that go on after attention, fewer in the last layer.
struct LayerNumbers {
  int64_t input = 0;    // x
  int64_t kept = 0;     // matrices kept beside x, when nothing is computed again (ops/kept_rows.h)
  int64_t gate_up = 0;  // of it: what RecomputeLevel::kCheap computes again
  int64_t floats = 0;   // kept as they are in any precision: factors of rows, the adapter's u
  int64_t backward =
      0;  // held while the layer is differentiated, beside what is kept: also what is restored of that
  int64_t reading = 0;  // held while it is computed, nothing kept
};

bool rounds(const PassModel& model) {
  return ops::kept_bytes(model.precision) < kFloat;
}

// Numbers that products lay out at a time: of weights and of the adapter's matrices in panels, and, in each thread's room, of the rows
// that they are multiplied with. `back`: in either direction.
struct PanelNumbers {
  int64_t attention, gate_up, down, head;

  PanelNumbers(const PassModel& model, int64_t tokens, bool back) {
    const ModelConfig& c = model.config;
    const int64_t d = c.hidden_size, ff = c.intermediate_size, q = c.num_attention_heads * c.head_dim,
                  kv = c.num_key_value_heads * c.head_dim;
    const auto panels = [&](int64_t out, int64_t in) {
      const int64_t forward = ops::cpu::panel_numbers<float>(in, out, model.precision);
      return back ? std::max(forward, ops::cpu::panel_numbers<float>(out, in, model.precision)) : forward;
    };
    const auto laid_out = [&](int64_t numbers, int64_t workers) {
      return std::min(ops::kPanelNumbers, numbers) +
             workers * ops::cpu::product_room<float>(ops::kBlockRows, model.precision);
    };
    const int64_t workers = ops::row_workers(tokens, model.threads);
    const auto factors = [&](int64_t rows) { return ops::low_rank_factor(rows, model.r, model.precision); };
    attention =
        laid_out(panels(q, d) + 2 * panels(kv, d), workers) + model.r * (q + 2 * kv) +
        std::max(3 * factors(d), factors(q + 2 * kv));  // A of q, k, v, turned; B of all on the way back
    gate_up = laid_out(2 * panels(ff, d), workers) + model.r * 2 * std::max(ff, d) + factors(2 * ff);
    down = laid_out(panels(d, ff), workers) + model.r * std::max(ff, d) + factors(std::max(ff, d));
    head = laid_out(panels(c.vocab_size, d), model.threads);
  }
};

LayerNumbers layer_numbers(const PassModel& model, int64_t layer, int64_t tokens, int64_t rows,
                           bool input_needs_gradient) {
  const ModelConfig& c = model.config;
  const auto& adapted = model.adapted[static_cast<size_t>(layer)];
  const auto has = [&](Module m) { return std::ranges::find(adapted, m) != adapted.end(); };
  const auto any = [&](std::initializer_list<Module> modules) { return std::ranges::any_of(modules, has); };
  const auto count = [&](std::initializer_list<Module> modules) {
    return std::ranges::count_if(modules, has);
  };
  const int64_t d = c.hidden_size, ff = c.intermediate_size, q = c.num_attention_heads * c.head_dim,
                kv = c.num_key_value_heads * c.head_dim, heads = c.num_attention_heads;
  const bool before = c.norm_placement != NormPlacement::kAfter,
             after = c.norm_placement != NormPlacement::kBefore;

  LayerNumbers n;
  const bool projects = input_needs_gradient || any({Module::kQ, Module::kK, Module::kV,
                                                     Module::kQkv});  // differentiable from here on
  const bool attends = projects || has(Module::kO);
  const bool feeds = attends || any({Module::kGate, Module::kUp, Module::kGateUp, Module::kDown});
  if (projects) {
    n.input = tokens * d;
    n.floats +=
        tokens * ((before ? 1 : 0) + model.r * count({Module::kQ, Module::kK, Module::kV, Module::kQkv}));
    // Before their norms; afterwards, and turned.
    if (c.qk_norm != QkNorm::kNone) n.kept += tokens * (q + kv);
    if (c.qk_norm == QkNorm::kProjection) n.floats += tokens * 2;
    if (c.qk_norm == QkNorm::kHead) n.floats += tokens * (heads + c.num_key_value_heads);
    n.kept += rows * q + tokens * 2 * kv;
    n.floats += rows * heads;
  }
  if (attends) {
    if (has(Module::kO)) n.kept += rows * q, n.floats += rows * model.r;  // what attention gave
    if (after) n.kept += rows * d, n.floats += rows;
  }
  if (feeds) {
    n.kept += rows * d;  // between attention and MLP
    n.floats += rows * ((before ? 1 : 0) +
                        model.r * count({Module::kGate, Module::kUp, Module::kGateUp, Module::kDown}));
    n.gate_up = rows * 2 * ff;
    n.kept += n.gate_up;
    if (after) n.kept += rows * d, n.floats += rows;
  }

  // The MLP: gradient of its result, of what it read, what it read, the gated numbers, their gradient.
  const int64_t mlp = rows * (3 * d + 2 * ff);
  // Attention: gradients of its result, of q, k, v, and of both residual paths. Several threads may gather those of k and v
  // in several sums first.
  const int64_t gathered = (model.threads > 1 ? ops::attention_sums(model.threads) : 1) * 2 * kv;
  const ops::AttentionShape shape{heads, c.num_key_value_heads, c.head_dim, 1};
  const auto copies = [&](bool back) {
    return ops::attention_copies(shape, rows, tokens, model.precision, back);
  };
  const int64_t attention = rows * 2 * q + tokens * (gathered + 2 * d) + copies(true);
  n.backward = std::max(mlp + (rounds(model) ? rows * (2 * ff + d) : 0), attention);
  // Beside x: what attention gave, the sum, its norm; gate, up, the gated numbers, the result. Or q, k and v, turned and not,
  // and what attention gives.
  const bool plain = c.norm_placement == NormPlacement::kBefore && c.residual_multiplier == 1;
  const PanelNumbers panels(model, tokens, false);
  const int64_t residual = rows * (q + ((plain ? 2 : 3) + (before ? 1 : 0)) * d);
  n.reading = std::max({residual + rows * 2 * ff + panels.gate_up, residual + rows * 3 * ff + panels.down,
                        tokens * (d + q + 2 * kv) + panels.attention,
                        tokens * (2 * q + 3 * kv) + rows * q + copies(false)});
  return n;
}

// What threads have to themselves in a layer: scores of a tile of queries, or sums of the adapter's gradients, what
// dropout leaves of a block of rows, and pairs of some of them.
int64_t threads_bytes(const PassModel& model, const PassSize& size) {
  const ModelConfig& c = model.config;
  const int64_t q = c.num_attention_heads * c.head_dim,
                widest = std::max({c.hidden_size, c.intermediate_size, q});
  const int64_t workers = ops::row_workers(size.tokens, model.threads),
                strips = ops::row_strip_count(size.tokens, model.threads);
  const ops::AttentionShape shape{c.num_attention_heads, c.num_key_value_heads, c.head_dim, 1};
  const int64_t sums = model.r * 2 * (c.hidden_size + std::max(c.intermediate_size, q));
  const int64_t dropped = model.dropout ? std::min(ops::kBlockRows, size.tokens) * widest : 0;
  int64_t thin = 0;
  for (const auto& modules : model.adapted)
    for (const Module module : modules) {
      const auto [out, in] = module_shape(c, module);
      thin = std::max(thin, ops::low_rank_room(in, out, model.precision));
    }
  return std::max(model.threads * ops::attention_room(shape, size.tokens, size.keys, model.precision),
                  strips * sums + workers * (dropped + thin)) *
         kFloat;
}

// What layers and head share: rope's tables, keys of the dropout masks.
int64_t shared_bytes(const ModelConfig& c, int64_t tokens) {
  const bool two =
      std::ranges::any_of(c.layers, [](const LayerConfig& l) { return l.rope == LayerConfig::Rope::kLocal; });
  const int64_t rotary = c.rope.rotary_dim > 0 ? c.rope.rotary_dim : c.head_dim;
  return tokens * ((two ? 2 : 1) * rotary * kFloat + 8);
}

int64_t layer_bytes(int64_t numbers) {
  return numbers * kFloat;
}

}  // namespace

PassSize pass_size(const Forest& forest) {
  PassSize size{forest.unique_tokens(), forest.supervised_tokens(),
                static_cast<int64_t>(std::set<int64_t>(forest.rows.begin(), forest.rows.end()).size()), 0};
  for (const int64_t position : forest.positions) size.keys = std::max(size.keys, position + 1);
  return size;
}

PassModel pass_model(const ModelConfig& config, const AdapterConfig& adapter, int64_t threads,
                     MatmulPrecision precision) {
  return {config,    resolve_target_modules(adapter.target_modules, config),
          adapter.r, adapter.lora_dropout > 0,
          threads,   precision};
}

PassBytes training_pass(const PassModel& model, const PassSize& size, Recompute recompute) {
  const ModelConfig& c = model.config;
  const int64_t layers = c.num_hidden_layers;
  const PanelNumbers in_panels(model, size.tokens, true);
  const ops::HeadNumbers of_head =
      ops::head_numbers(size.supervised, c.hidden_size, c.vocab_size, true, model.threads, model.precision);
  const int64_t shared = shared_bytes(c, size.tokens),
                panels = layer_bytes(std::max({in_panels.attention, in_panels.gate_up, in_panels.down}));
  const auto bytes_of = [&](int64_t kept, int64_t floats) {
    return kept * ops::kept_bytes(model.precision) + floats * kFloat;
  };
  int64_t kept = 0, highest = 0;  // bytes kept so far; of the worst moment of the backward pass
  bool needs_gradient = false;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t rows = layer + 1 == layers ? size.last_rows : size.tokens;
    const LayerNumbers n = layer_numbers(model, layer, size.tokens, rows, needs_gradient);
    const bool keeps = n.kept + n.floats > 0;
    needs_gradient = needs_gradient || keeps;
    if (recompute.of_layer(layer) == RecomputeLevel::kBlock && keeps) {
      // x alone; while the layer is differentiated, all of it once more.
      const int64_t x = size.tokens * c.hidden_size;
      kept += bytes_of(x, 0);
      highest =
          std::max(highest, kept + (rounds(model) ? bytes_of(n.kept + n.input, n.floats + n.backward + x)
                                                  : bytes_of(n.kept, n.floats + n.backward)));
    } else {
      const int64_t again = recompute.of_layer(layer) == RecomputeLevel::kCheap ? n.gate_up : 0;
      kept += bytes_of(n.input + n.kept - again, n.floats);
      highest = std::max(highest, kept + bytes_of(0, n.backward + (rounds(model) ? 0 : again)));
    }
  }
  const int64_t head =
      kept + layer_bytes(of_head.logits + (size.last_rows + size.supervised) * c.hidden_size);
  highest += threads_bytes(model, size) + layer_bytes(size.tokens * c.hidden_size);
  PassBytes bytes;
  bytes.activations = kept + shared;
  bytes.logits = head - kept;
  bytes.workspace = std::max(layer_bytes(of_head.panels), highest + panels - head);
  return bytes;
}

Recompute least_recompute(const PassModel& model, const PassSize& size, int64_t bytes, Recompute most) {
  if (bytes <= 0) return most;
  const std::vector<Recompute> levels = recompute_levels(model.config.num_hidden_layers);
  // Each takes no more than the one before.
  const auto last = std::ranges::find(levels, most);
  const auto least = std::partition_point(levels.begin(), last, [&](const Recompute& level) {
    return training_pass(model, size, level).total() > bytes;
  });
  return least == last ? most : *least;
}

PassBytes reading_pass(const PassModel& model, const PassSize& size, int64_t logit_rows) {
  const ModelConfig& c = model.config;
  int64_t highest = 0;
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer)
    highest = std::max(highest, layer_numbers(model, layer, size.tokens, size.tokens, false).reading);
  const ops::HeadNumbers of_head =
      ops::head_numbers(size.supervised, c.hidden_size, c.vocab_size, false, model.threads, model.precision);
  PassBytes bytes;
  bytes.activations = shared_bytes(c, size.tokens) + layer_bytes(size.tokens * c.hidden_size);
  bytes.logits = layer_bytes(logit_rows > 0 ? logit_rows * (c.vocab_size + c.hidden_size) : of_head.logits);
  const int64_t panels = logit_rows == 0              ? of_head.panels
                         : logit_rows > ops::kFewRows ? PanelNumbers(model, size.tokens, false).head
                                                      : 0;  // few rows are multiplied without
  bytes.workspace =
      std::max(layer_bytes(panels), layer_bytes(highest) + threads_bytes(model, size) - bytes.logits);
  return bytes;
}

}  // namespace lora
