// Granite 3: llama with multipliers for the embedding, the scores of attention, the residual and the logits.
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

ModelConfig from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c = plain_from_hf(config);
  c.embedding_multiplier = config.number("embedding_multiplier", 1);
  c.attention_multiplier = config.number("attention_multiplier", 1);
  c.residual_multiplier = config.number("residual_multiplier", 1);
  c.logits_scaling = config.number("logits_scaling", 1);
  return c;
}

ModelConfig from_gguf(const GgufFile& file) {
  const GgufReader gguf(file);
  refuse_feature(!gguf.flag("rope.scaling.finetuned", true), "Granite without rotary embeddings");
  ModelConfig c = plain_from_gguf(gguf);
  c.embedding_multiplier = gguf.number("embedding_scale", 1);
  c.attention_multiplier = gguf.number("attention.scale", 0);
  c.residual_multiplier = gguf.number("residual_scale", 1);
  c.logits_scaling = gguf.number("logit_scale", 1);
  return c;
}

}  // namespace

Family granite_family() {
  return {"granite", {"granite"}, "granite", from_hf, from_gguf};
}

}  // namespace lora
