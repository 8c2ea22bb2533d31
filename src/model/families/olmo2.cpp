// OLMo 2: norms stand after attention and MLP only, and q and k are normalised as whole projections.
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

ModelConfig with_norms(ModelConfig c) {
  c.norm_placement = NormPlacement::kAfter;
  c.qk_norm = QkNorm::kProjection;
  return c;
}

ModelConfig from_hf(const nlohmann::json& json) {
  return with_norms(plain_from_hf(ConfigReader(json), {.rms_norm_eps = 1e-5}));
}

ModelConfig from_gguf(const GgufFile& file) {
  const GgufReader gguf(file);
  refuse_feature(gguf.integer("attention.sliding_window", 0) > 0, "OLMo 3 (a sliding window in OLMo 2)");
  return with_norms(plain_from_gguf(gguf));
}

}  // namespace

Family olmo2_family() {
  return {"olmo2", {"olmo2"}, "olmo2", from_hf, from_gguf};
}

}  // namespace lora
