#include "weights/bnb_4bit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/checked.h"
#include "base/error.h"
#include "files/byte_reader.h"
#include "weights/load.h"

namespace lora {
namespace {

using nlohmann::json;

// Elements that a thread takes at a time: even, and a multiple of every block size.
constexpr int64_t kGrain = 1 << 16;
constexpr size_t kLargestState = 1 << 16;
constexpr const char* kDamaged = "The checkpoint is damaged or incomplete; download it again.";

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected = {},
                         const std::string& fix = kDamaged) {
  throw Error::input({.where = where, .found = found, .expected = expected, .fix = fix});
}

std::string state_name(const std::string& name, FourBitType type) {
  return name + ".quant_state.bitsandbytes__" + std::string(four_bit_name(type));
}

std::optional<FourBitType> stored_type(const Checkpoint& checkpoint, const std::string& name) {
  for (const FourBitType type : {FourBitType::kNf4, FourBitType::kFp4})
    if (checkpoint.find(state_name(name, type))) return type;
  return std::nullopt;
}

const TensorInfo& part(const Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo* info = checkpoint.find(name);
  if (!info) refuse(checkpoint.path().string(), "the tensor " + name + " is missing");
  return *info;
}

std::vector<float> floats(const TensorInfo& info, size_t count) {
  if (static_cast<size_t>(info.numel()) != count)
    refuse("tensor " + info.name, "it has the shape " + info.shape_text(),
           std::to_string(count) + " numbers");
  const at::Tensor values = load_tensor(info, at::kFloat);
  const auto* data = values.const_data_ptr<float>();
  for (size_t i = 0; i < count; ++i)
    if (!std::isfinite(data[i])) refuse("tensor " + info.name, "it holds a number that is not finite");
  return {data, data + count};
}

// The JSON of a quant_state, with typed lookups.
class QuantState {
 public:
  explicit QuantState(const TensorInfo& info) : where_("tensor " + info.name) {
    if (info.dtype != DType::kU8 || info.bytes.size() > kLargestState)
      refuse(where_, "it is " + std::string(dtype_name(info.dtype)) + " " + info.shape_text(),
             "JSON in bytes");
    const std::string_view text(reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size());
    state_ = json::parse(text, nullptr, false);
    if (!state_.is_object()) refuse(where_, "it does not hold a JSON object");
  }

  int64_t integer(const std::string& key) const {
    if (!state_.contains(key) || !state_[key].is_number_integer()) wrong(key, "a whole number");
    return state_[key].get<int64_t>();
  }
  double number(const std::string& key) const {
    if (!state_.contains(key) || !state_[key].is_number()) wrong(key, "a number");
    return state_[key].get<double>();
  }
  std::string text(const std::string& key) const {
    if (!state_.contains(key) || !state_[key].is_string()) wrong(key, "a string");
    return state_[key].get<std::string>();
  }
  bool has(const std::string& key) const { return state_.contains(key) && !state_[key].is_null(); }

  std::vector<int64_t> shape() const {
    const auto& array = state_.contains("shape") ? state_["shape"] : json();
    if (!array.is_array() || array.empty() || array.size() > 4) wrong("shape", "an array of sizes");
    std::vector<int64_t> sizes;
    for (const auto& size : array) {
      if (!size.is_number_integer() || size.get<int64_t>() < 1) wrong("shape", "an array of sizes");
      sizes.push_back(size.get<int64_t>());
    }
    return sizes;
  }

  DType dtype() const {
    const std::string name = text("dtype");
    if (name == "bfloat16") return DType::kBF16;
    if (name == "float16") return DType::kF16;
    if (name != "float32") wrong("dtype", "\"float32\", \"bfloat16\" or \"float16\"");
    return DType::kF32;
  }
  int64_t block_size(const std::string& key) const {
    const int64_t size = integer(key);
    if (!four_bit_block_size_known(size)) wrong(key, "a power of two from 32 to 4096");
    return size;
  }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected) const {
    refuse(
        where_,
        "\"" + key + "\" is " +
            (state_.contains(key) ? in_quotes(state_[key].dump(-1, ' ', true, json::error_handler_t::replace))
                                  : "missing"),
        expected);
  }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  json state_;
};

size_t blocks_of(int64_t elements, int64_t block_size) {
  return static_cast<size_t>((elements + block_size - 1) / block_size);
}

BlockScales read_scales(const Checkpoint& checkpoint, const std::string& name, const QuantState& state,
                        size_t blocks) {
  BlockScales scales;
  const TensorInfo& absmax = part(checkpoint, name + ".absmax");
  const bool nested = checkpoint.find(name + ".nested_absmax") != nullptr;
  if (!nested) {
    if (state.has("nested_blocksize")) part(checkpoint, name + ".nested_absmax");  // names what is missing
    scales.absmax = floats(absmax, blocks);
    return scales;
  }
  if (absmax.dtype != DType::kU8 || static_cast<size_t>(absmax.numel()) != blocks)
    refuse("tensor " + absmax.name,
           "it is " + std::string(dtype_name(absmax.dtype)) + " " + absmax.shape_text(),
           std::to_string(blocks) + " bytes");
  const auto* bytes = reinterpret_cast<const uint8_t*>(absmax.bytes.data());
  scales.codes.assign(bytes, bytes + blocks);
  scales.block_size = state.block_size("nested_blocksize");
  scales.offset = static_cast<float>(state.number("nested_offset"));
  scales.code = floats(part(checkpoint, name + ".nested_quant_map"), 256);
  scales.absmax = floats(part(checkpoint, name + ".nested_absmax"),
                         blocks_of(static_cast<int64_t>(blocks), scales.block_size));
  return scales;
}

// bitsandbytes dequantizes by its own table, whatever the file says; a file with another one was made by something else.
void require_standard_code(const Checkpoint& checkpoint, const std::string& name, FourBitType type) {
  const TensorInfo& info = part(checkpoint, name + ".quant_map");
  const std::vector<float> stored = floats(info, 16);
  const auto code = four_bit_code(type);
  for (size_t i = 0; i < 16; ++i)
    if (std::fabs(stored[i] - code[i]) > 1e-5f)
      refuse("tensor " + info.name,
             "value " + std::to_string(i) + " of the code is " + std::to_string(stored[i]),
             std::to_string(code[i]) + ", as " + std::string(four_bit_name(type)) + " has it",
             "Use a checkpoint that bitsandbytes wrote.");
}

std::string text_of(const json& config, const char* key) {
  const auto it = config.find(key);
  return it != config.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool flag_of(const json& config, const char* key) {
  const auto it = config.find(key);
  return it != config.end() && it->is_boolean() && it->get<bool>();
}

}  // namespace

std::string quantization_of(const Checkpoint& checkpoint) {
  if (checkpoint.is_gguf()) return {};
  const auto it = checkpoint.config().find("quantization_config");
  if (it == checkpoint.config().end() || it->is_null()) return {};
  const std::string where = (checkpoint.path() / "config.json").string() + ": quantization_config";
  if (!it->is_object()) refuse(where, "it is not an object");
  std::string method = text_of(*it, "quant_method");
  const bool four_bit = flag_of(*it, "load_in_4bit") || flag_of(*it, "_load_in_4bit");
  const bool eight_bit = flag_of(*it, "load_in_8bit") || flag_of(*it, "_load_in_8bit");
  if (method.empty() && (four_bit || eight_bit)) method = "bitsandbytes";
  constexpr const char* kOthers =
      "Use the model's unquantized checkpoint, a GGUF of it, or one that bitsandbytes quantized to 4 bits.";
  if (method != "bitsandbytes")
    refuse(where,
           method.empty() ? "it names no quant_method"
                          : "weights quantized by " + in_quotes(method) + " cannot be read",
           "bitsandbytes in 4 bits", kOthers);
  if (!four_bit)
    refuse(where, "weights in bitsandbytes' 8-bit format (LLM.int8) cannot be read", "bitsandbytes in 4 bits",
           kOthers);
  std::string type = text_of(*it, "bnb_4bit_quant_type");
  if (type.empty()) type = "fp4";  // Transformers' default
  if (type != "nf4" && type != "fp4")
    refuse(where, "bnb_4bit_quant_type is " + in_quotes(type), "\"nf4\" or \"fp4\"", kOthers);
  return "bitsandbytes " + type;
}

bool is_bnb_4bit(const Checkpoint& checkpoint, const std::string& name) {
  return !checkpoint.is_gguf() && stored_type(checkpoint, name).has_value();
}

std::vector<std::string> bnb_4bit_tensors(const Checkpoint& checkpoint, const std::string& name) {
  std::vector<std::string> names{name, name + ".absmax", name + ".quant_map"};
  if (const auto type = stored_type(checkpoint, name)) names.push_back(state_name(name, *type));
  for (const char* suffix : {".nested_absmax", ".nested_quant_map"})
    if (checkpoint.find(name + suffix)) names.push_back(name + suffix);
  return names;
}

FourBitWeight read_bnb_4bit(const Checkpoint& checkpoint, const std::string& name) {
  const auto type = stored_type(checkpoint, name);
  if (!type) refuse(checkpoint.path().string(), "the tensor " + name + " is not in 4 bits");
  const QuantState state(part(checkpoint, state_name(name, *type)));
  if (state.text("quant_type") != four_bit_name(*type))
    state.wrong("quant_type", std::string(four_bit_name(*type)));
  FourBitWeight weight{*type, state.shape(), state.block_size("blocksize"), {}, {}, state.dtype()};
  const int64_t numel = checked_numel(weight.shape, state.where());
  // The packed bytes may be stored under any type (bnb_4bit_quant_storage).
  const TensorInfo& packed = part(checkpoint, name);
  const auto bytes = static_cast<size_t>(numel / 2 + numel % 2);
  if (packed.bytes.size() != bytes)
    refuse("tensor " + name, "it has " + std::to_string(packed.bytes.size()) + " bytes",
           std::to_string(bytes) + ", two elements a byte");
  require_standard_code(checkpoint, name, *type);
  weight.scales = read_scales(checkpoint, name, state, blocks_of(numel, weight.block_size));
  const auto* data = reinterpret_cast<const uint8_t*>(packed.bytes.data());
  weight.packed.assign(data, data + bytes);
  return weight;
}

at::Tensor dequantize_4bit_rows(const FourBitWeight& weight, int64_t begin, int64_t end,
                                at::ScalarType dtype) {
  std::vector<int64_t> shape = weight.shape;
  const int64_t row = weight.numel() / std::max<int64_t>(shape[0], 1);
  shape[0] = end - begin;
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(dtype));
  at::Tensor rounded = out.view({-1});
  const int64_t numel = out.numel(), first = begin * row;
  at::parallel_for(0, (numel + kGrain - 1) / kGrain, 1, [&](int64_t chunk, int64_t last) {
    std::vector<float> values;
    for (; chunk < last; ++chunk) {
      const int64_t at = chunk * kGrain, n = std::min(numel - at, kGrain);
      if (dtype == at::kFloat) {
        weight.dequantize(first + at, {out.mutable_data_ptr<float>() + at, static_cast<size_t>(n)});
        continue;
      }
      values.resize(static_cast<size_t>(n));
      weight.dequantize(first + at, values);
      rounded.slice(0, at, at + n).copy_(at::from_blob(values.data(), {n}, at::kFloat));
    }
  });
  return out;
}

at::Tensor dequantize_4bit(const FourBitWeight& weight, at::ScalarType dtype) {
  return dequantize_4bit_rows(weight, 0, weight.shape[0], dtype);
}

FourBitWeight quantize_4bit(const at::Tensor& weight, FourBitType type, bool double_quant,
                            int64_t block_size) {
  const at::Tensor stored = weight.detach().contiguous();
  const at::Tensor flat = stored.view({-1});
  const int64_t numel = flat.numel();
  FourBitWeight result{type, stored.sizes().vec(), block_size, {}, {}, DType::kF32};
  result.packed.resize(static_cast<size_t>((numel + 1) / 2));
  result.scales.absmax.resize(blocks_of(numel, block_size));
  // In parts of whole blocks, so that a matrix in half precision never lies in memory as floats.
  at::parallel_for(0, (numel + kGrain - 1) / kGrain, 1, [&](int64_t chunk, int64_t last) {
    for (; chunk < last; ++chunk) {
      const int64_t first = chunk * kGrain, n = std::min(numel - first, kGrain);
      const at::Tensor values = flat.slice(0, first, first + n).to(at::kFloat);
      const FourBitWeight part = quantize_4bit(
          std::span(values.const_data_ptr<float>(), static_cast<size_t>(n)), {n}, type, block_size);
      std::copy(part.packed.begin(), part.packed.end(), result.packed.begin() + first / 2);
      std::copy(part.scales.absmax.begin(), part.scales.absmax.end(),
                result.scales.absmax.begin() + first / block_size);
    }
  });
  if (weight.scalar_type() == at::kBFloat16) result.dtype = DType::kBF16;
  if (weight.scalar_type() == at::kHalf) result.dtype = DType::kF16;
  if (!double_quant) return result;
  BlockScales& scales = result.scales;
  const auto n = static_cast<int64_t>(scales.absmax.size());
  const at::Tensor absmax = at::from_blob(scales.absmax.data(), {n}, at::kFloat).clone();
  const at::Tensor offset = absmax.mean();
  const at::Tensor centred = absmax - offset;
  scales.offset = offset.item<float>();
  scales.code = dynamic_8bit_code();
  scales.absmax = {};  // with its room, which would be 1/16 of the packed weight's
  scales.codes = quantize_8bit({centred.const_data_ptr<float>(), static_cast<size_t>(n)}, scales.code,
                               scales.block_size, scales.absmax);
  return result;
}

std::vector<float> dynamic_8bit_code() {
  // Seven decades; each has twice as many values as the one below, at the middles of equal steps from 0.1 to 1.
  std::vector<float> values{0.0f, 1.0f};
  for (int decade = 0; decade < 7; ++decade) {
    const at::Tensor steps = at::linspace(0.1, 1, (1 << decade) + 1, at::TensorOptions().dtype(at::kFloat));
    const at::Tensor middles = (steps.slice(0, 0, -1) + steps.slice(0, 1)) / 2.0;
    const at::Tensor scaled = middles * std::pow(10.0, decade - 6);
    for (int64_t i = 0; i < scaled.numel(); ++i) {
      const float value = scaled[i].item<float>();
      values.push_back(value);
      values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace lora
