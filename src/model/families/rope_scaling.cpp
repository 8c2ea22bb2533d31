#include "model/families/rope_scaling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "weights/load.h"

namespace lora {
namespace {

struct Yarn {
  double factor = 1, beta_fast = 32, beta_slow = 1;
  bool truncate = true;
};

int64_t rotary_dim(const RopeConfig& rope, const ModelConfig& sizes) {
  return rope.rotary_dim > 0 ? rope.rotary_dim : sizes.head_dim;
}

[[noreturn]] void refuse(const std::string& found, const std::string& expected) {
  throw Error::input({.where = "rotary embeddings",
                      .found = found,
                      .expected = expected,
                      .fix = "Use another model of the family."});
}

void require_factor(double factor) {
  if (!(factor > 0) || !std::isfinite(factor))
    refuse("the scaling factor is " + std::to_string(factor), "a number above 0");
}

// The radians that each pair turns from one position to the next, before scaling.
std::vector<double> plain_frequencies(const RopeConfig& rope, const ModelConfig& sizes) {
  const int64_t dim = rotary_dim(rope, sizes);
  std::vector<double> frequencies;
  for (int64_t i = 0; i < dim; i += 2)
    frequencies.push_back(std::pow(rope.rope_theta, -static_cast<double>(i) / static_cast<double>(dim)));
  return frequencies;
}

// Slow pairs turn `factor` times slower, fast ones as ever, those between by a mix.
std::vector<double> llama3_factors(const RopeConfig& rope, const ModelConfig& sizes, double factor,
                                   double low_freq_factor, double high_freq_factor) {
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  std::vector<double> factors;
  for (const double frequency : plain_frequencies(rope, sizes)) {
    const double wavelength = 2 * std::numbers::pi / frequency;
    const double smooth = (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
    if (wavelength < context / high_freq_factor)
      factors.push_back(1);
    else if (wavelength > context / low_freq_factor)
      factors.push_back(factor);
    else
      factors.push_back(1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

std::vector<double> yarn_factors(const RopeConfig& rope, const ModelConfig& sizes, const Yarn& yarn) {
  const auto dim = static_cast<double>(rotary_dim(rope, sizes));
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  const auto pair_of = [&](double rotations) {
    return dim * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(rope.rope_theta));
  };
  double low = pair_of(yarn.beta_fast), high = pair_of(yarn.beta_slow);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  std::vector<double> factors;
  for (int64_t i = 0; i < rotary_dim(rope, sizes) / 2; ++i) {
    const double scaled = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    factors.push_back(1 / (scaled / yarn.factor + (1 - scaled)));
  }
  return factors;
}

double yarn_attention(double factor, double mscale = 1) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double longrope_attention(double factor, double context) {
  return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(context));
}

std::vector<double> tensor_numbers(const TensorInfo& info) {
  const at::Tensor t = load_tensor(info, at::kDouble).flatten();
  return {t.const_data_ptr<double>(), t.const_data_ptr<double>() + t.numel()};
}

}  // namespace

RopeConfig rope_from_parameters(const ConfigReader& p, const ModelConfig& sizes, RopeConfig rope) {
  rope.rope_theta = p.number("rope_theta", rope.rope_theta);
  if (p.has("partial_rotary_factor")) {
    const double share = p.number("partial_rotary_factor");
    if (!(share > 0 && share <= 1))
      refuse("partial_rotary_factor is " + std::to_string(share), "a number above 0 and up to 1");
    rope.rotary_dim = static_cast<int64_t>(static_cast<double>(sizes.head_dim) * share);
  }
  if (rope.original_max_position_embeddings == 0)
    rope.original_max_position_embeddings =
        p.integer("original_max_position_embeddings", sizes.max_position_embeddings);
  const std::string type = p.text("rope_type", p.text("type", "default"));
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  if (type == "default" || type == "dynamic") return rope;
  if (context < 2) refuse("original_max_position_embeddings is " + std::to_string(context), "2 or more");
  const double given_factor = p.number("factor", 0);
  const double factor =
      given_factor != 0 ? given_factor : static_cast<double>(sizes.max_position_embeddings) / context;
  require_factor(factor);
  if (type == "linear") {
    rope.factors.assign(static_cast<size_t>(rotary_dim(rope, sizes) / 2), factor);
  } else if (type == "llama3") {
    rope.factors =
        llama3_factors(rope, sizes, factor, p.number("low_freq_factor"), p.number("high_freq_factor"));
  } else if (type == "yarn") {
    const double beta_fast = p.number("beta_fast", 32), beta_slow = p.number("beta_slow", 1);
    rope.factors = yarn_factors(
        rope, sizes,
        {factor, beta_fast != 0 ? beta_fast : 32, beta_slow != 0 ? beta_slow : 1, p.flag("truncate", true)});
    const double mscale = p.number("mscale", 0), mscale_all_dim = p.number("mscale_all_dim", 0);
    const double usual = mscale != 0 && mscale_all_dim != 0
                             ? yarn_attention(factor, mscale) / yarn_attention(factor, mscale_all_dim)
                             : yarn_attention(factor);
    rope.attention_factor = p.number("attention_factor", usual);
  } else if (type == "longrope") {
    rope.factors = p.list<double>("short_factor");
    rope.long_factors = p.list<double>("long_factor");
    rope.attention_factor = p.number("attention_factor", longrope_attention(factor, context));
  } else {
    refuse("scaling of type \"" + type + "\" is not supported",
           "default, linear, dynamic, llama3, yarn or longrope");
  }
  return rope;
}

RopeConfig rope_from_hf(const ConfigReader& config, const ModelConfig& sizes, double default_theta) {
  RopeConfig rope;
  rope.rope_theta = config.number("rope_theta", default_theta);
  if (config.has("partial_rotary_factor")) {
    // Read by the same words as below.
    const nlohmann::json share{{"partial_rotary_factor", config.number("partial_rotary_factor")}};
    rope = rope_from_parameters(ConfigReader(share), sizes, rope);
    rope.original_max_position_embeddings = 0;
  }
  for (const char* key : {"rope_parameters", "rope_scaling"})
    if (config.has(key)) return rope_from_parameters(ConfigReader(config.object(key)), sizes, rope);
  return rope;
}

RopeConfig rope_from_gguf(const GgufReader& gguf, const ModelConfig& sizes) {
  RopeConfig rope;
  rope.rope_theta = gguf.number("rope.freq_base", 10000);
  const int64_t turned = gguf.integer("rope.dimension_count", sizes.head_dim);
  if (turned != sizes.head_dim) rope.rotary_dim = turned;
  rope.original_max_position_embeddings =
      gguf.integer("rope.scaling.original_context_length", sizes.max_position_embeddings);
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  if (const TensorInfo* info = gguf.file().find("rope_freqs.weight")) rope.factors = tensor_numbers(*info);
  const TensorInfo* short_factors = gguf.file().find("rope_factors_short.weight");
  const TensorInfo* long_factors = gguf.file().find("rope_factors_long.weight");
  if (short_factors) rope.factors = tensor_numbers(*short_factors);
  if (long_factors) rope.long_factors = tensor_numbers(*long_factors);
  if (short_factors || long_factors) {
    const double factor = static_cast<double>(sizes.max_position_embeddings) / context;
    rope.attention_factor = gguf.number("rope.scaling.attn_factor", longrope_attention(factor, context));
    return rope;
  }
  const std::string type = gguf.text("rope.scaling.type", "none");
  if (type == "none" || type == "longrope") return rope;
  const double factor = gguf.number("rope.scaling.factor", 1);
  require_factor(factor);
  if (type == "linear") {
    rope.factors.assign(static_cast<size_t>(rotary_dim(rope, sizes) / 2), factor);
  } else if (type == "yarn") {
    if (context < 2) refuse("the original context is " + std::to_string(context), "2 or more");
    rope.factors = yarn_factors(rope, sizes,
                                {factor, gguf.number("rope.scaling.yarn_beta_fast", 32),
                                 gguf.number("rope.scaling.yarn_beta_slow", 1)});
    rope.attention_factor = gguf.number("rope.scaling.yarn_attn_factor", yarn_attention(factor));
  } else {
    refuse("scaling of type \"" + type + "\" is not supported", "none, linear, yarn or longrope");
  }
  return rope;
}

}  // namespace lora
