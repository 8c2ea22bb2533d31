// Checkpoints that bitsandbytes quantized to 4 bits, as Transformers saves them: beside each packed `NAME` lie
// `NAME.absmax`, `NAME.quant_map`, with double quantization `NAME.nested_absmax` and `NAME.nested_quant_map`, and
// `NAME.quant_state.bitsandbytes__nf4` (or __fp4), JSON in a tensor of bytes. Unfused: weights are dequantized when they
// are loaded, or kept packed by whoever can compute with them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "files/checkpoint.h"
#include "weights/nf4.h"

namespace lora {

// What `quantization_config` of config.json says: "" when there is none, else "bitsandbytes nf4", "bitsandbytes fp4".
// "" for a GGUF. Errors: kInput naming any other method (LLM.int8, GPTQ, AWQ, FP8, …), and how to go on.
std::string quantization_of(const Checkpoint& checkpoint);

// True when the weight `name` ("model.layers.0.mlp.up_proj.weight") is stored in 4 bits.
bool is_bnb_4bit(const Checkpoint& checkpoint, const std::string& name);
// The tensors that belong to such a weight, itself among them.
std::vector<std::string> bnb_4bit_tensors(const Checkpoint& checkpoint, const std::string& name);

// Reads one, packed. Precondition: is_bnb_4bit. Errors: kInput naming the tensor when a part is missing or of another
// type or size, when the JSON says what is not supported, or when a code table is not the standard one.
FourBitWeight read_bnb_4bit(const Checkpoint& checkpoint, const std::string& name);

// The whole weight, (shape), dequantized as nf4.h has it (in fp32, rounded to the type that was quantized: the numbers that
// bitsandbytes and a merge by PEFT compute with), and converted to `dtype`; rows begin … end of it. On the CPU, shared
// among at::parallel_for's threads; the result does not depend on their number.
at::Tensor dequantize_4bit(const FourBitWeight& weight, at::ScalarType dtype = at::kFloat);
at::Tensor dequantize_4bit_rows(const FourBitWeight& weight, int64_t begin, int64_t end,
                                at::ScalarType dtype = at::kFloat);

// A weight (out, in) of any floating type to 4 bits, as bitsandbytes' quantize_4bit does on a CPU. `double_quant`: its
// scales too, to 8 bits (compress_statistics). Errors: as nf4.h's.
FourBitWeight quantize_4bit(const at::Tensor& weight, FourBitType type, bool double_quant,
                            int64_t block_size = 64);

// The 256 values of the 8-bit code of scales: bitsandbytes' create_dynamic_map(signed=True), arXiv 1511.04561.
std::vector<float> dynamic_8bit_code();

}  // namespace lora
