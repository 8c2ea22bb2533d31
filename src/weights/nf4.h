// 4-bit weights as bitsandbytes packs them (NF4: QLoRA, arXiv 2305.14314; FP4: the same with another code), kept packed.
// Plain memory and arithmetic in fp32, element by element as bitsandbytes computes it. No files (bnb_4bit.h reads them),
// no tensors, no threads: callers split the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "files/tensor_info.h"

namespace lora {

enum class FourBitType { kNf4, kFp4 };
std::string_view four_bit_name(FourBitType type);  // "nf4", "fp4"
// The 16 values of the codes, from -1 to 1, in the order of the codes.
std::span<const float, 16> four_bit_code(FourBitType type);

// One scale for each block: the largest absolute value of it. Plain, or quantized once more ("double quantization"):
// then code[codes[i]] * absmax[i / block_size] + offset.
struct BlockScales {
  std::vector<float> absmax;
  std::vector<uint8_t> codes = {};  // empty: plain
  std::vector<float> code = {};     // 256 values
  int64_t block_size = 256;         // scales that share a second scale
  float offset = 0;

  bool is_nested() const { return !codes.empty(); }
  int64_t size() const { return static_cast<int64_t>(is_nested() ? codes.size() : absmax.size()); }
  float operator[](int64_t block) const {
    const auto i = static_cast<size_t>(block);
    if (!is_nested()) return absmax[i];
    const float scaled = code[codes[i]] * absmax[i / static_cast<size_t>(block_size)];
    return scaled + offset;
  }
};

struct FourBitWeight {
  FourBitType type = FourBitType::kNf4;
  std::vector<int64_t> shape;   // of the weight that it stands for: (out, in)
  int64_t block_size = 64;      // consecutive elements, row after row, that share a scale
  std::vector<uint8_t> packed;  // element 2i in the high half of byte i, element 2i + 1 in the low
  BlockScales scales;
  // The type that was quantized, to which bitsandbytes rounds what it dequantizes: kF32, kBF16 or kF16.
  DType dtype = DType::kF32;

  int64_t numel() const;
  // Bytes that it takes, scales included.
  size_t bytes() const;

  // Elements first … first + out.size(). The numbers are bitsandbytes' dequantize_4bit: one product in fp32 each, rounded
  // to `dtype`. Precondition: they exist.
  void dequantize(int64_t first, std::span<float> out) const { dequantize(first, out, packed, 0); }
  // The same where `part` is bytes first_byte … of `packed`, which lie elsewhere.
  void dequantize(int64_t first, std::span<float> out, std::span<const uint8_t> part,
                  size_t first_byte) const;
  // Rows begin … end of a matrix; out.size() must be theirs. Precondition: 0 <= begin <= end <= shape[0].
  void dequantize_rows(int64_t begin, int64_t end, std::span<float> out) const;
};

// fp32 to 4 bits as bitsandbytes' quantize_4bit: blocks of `block_size` elements, the nearest code value (the lower one
// half-way). Plain scales; bnb_4bit.h nests them. Errors: kInput when an element is NaN or infinite, or when block_size
// is not one of bitsandbytes' (32, 64, …, 4096).
FourBitWeight quantize_4bit(std::span<const float> values, std::vector<int64_t> shape, FourBitType type,
                            int64_t block_size = 64);

// True for the block sizes that bitsandbytes knows.
bool four_bit_block_size_known(int64_t block_size);

// Codes of 8 bits, for scales that are quantized once more: the nearest value, as bitsandbytes' quantize_blockwise has it
// on a GPU and in its portable form (its CPU library looks values up in a table of 65536 places, so that one in a
// thousand goes to the neighbour). `code`: 256 values, rising. Returns the codes; appends a scale for each block to `absmax`.
std::vector<uint8_t> quantize_8bit(std::span<const float> values, std::span<const float> code,
                                   int64_t block_size, std::vector<float>& absmax);

}  // namespace lora
