// Prints what the container readers see, for comparison with other programs (tests/parity):
//   dump_tensor MODEL                     a line per tensor: name, type, shape
//   dump_tensor MODEL TENSOR OUT          its elements as raw little-endian fp32 into OUT
//   dump_tensor --load MODEL TENSOR HEADS OUT   the same through load_tensor() and, when HEADS > 0, undo_rope_permutation()
//                                         (4-bit weights of bitsandbytes are dequantized)
//   dump_tensor --quantize MODEL TENSOR nf4|fp4 plain|double BLOCK OUT.safetensors   bitsandbytes' 4 bits of a tensor
//   dump_tensor --copy MODEL OUT          all tensors (and a GGUF's metadata) written again: OUT.safetensors or OUT.gguf
//   dump_tensor --names ARCHITECTURE      reads GGUF names from standard input, prints Hugging Face's, or "-"
//   dump_tensor --gguf-names ARCHITECTURE the other way
#include <ATen/ATen.h>

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "files/checkpoint.h"
#include "files/gguf_writer.h"
#include "weights/bnb_4bit.h"
#include "weights/dequantize.h"
#include "weights/gguf_names.h"
#include "weights/load.h"

namespace {

using namespace lora;

const TensorInfo& find(const Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo* tensor = checkpoint.find(name);
  if (!tensor)
    throw Error::input({.where = checkpoint.path().string(), .found = "there is no tensor " + name});
  return *tensor;
}

void save(const std::string& path, const float* values, size_t n) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(n * sizeof(float)));
  if (!out.flush()) throw Error::machine({.where = path, .found = "the file cannot be written"});
}

void copy(const Checkpoint& from, const std::filesystem::path& to) {
  if (to.extension() == ".safetensors") return write_safetensors(to, from.tensors(), {{"format", "pt"}});
  GgufWriter writer;
  writer.copy_metadata(from.gguf());
  for (const TensorInfo& tensor : from.gguf().tensors())
    writer.add_tensor(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
  writer.write(to);
}

void quantize(const Checkpoint& checkpoint, const std::string& name, FourBitType type, bool double_quant,
              int64_t block_size, const std::filesystem::path& to) {
  const FourBitWeight weight =
      quantize_4bit(load_tensor(find(checkpoint, name)), type, double_quant, block_size);
  std::vector<TensorInfo> tensors;
  const auto add = [&](const char* part, DType dtype, const auto& values) {
    tensors.push_back({part, dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values))});
  };
  add("packed", DType::kU8, weight.packed);
  add(weight.scales.is_nested() ? "nested_absmax" : "absmax", DType::kF32, weight.scales.absmax);
  const std::vector<float> offset{weight.scales.offset};
  if (weight.scales.is_nested()) {
    add("absmax", DType::kU8, weight.scales.codes);
    add("nested_quant_map", DType::kF32, weight.scales.code);
    add("nested_offset", DType::kF32, offset);
  }
  write_safetensors(to, tensors);
}

int run(const std::vector<std::string>& args) {
  if (args.size() == 1) {
    const Checkpoint checkpoint = Checkpoint::open(args[0]);
    for (const TensorInfo& tensor : checkpoint.tensors())
      std::cout << tensor.name << '\t' << dtype_name(tensor.dtype) << '\t' << tensor.shape_text() << '\n';
  } else if (args.size() == 2 && args[0] == "--names") {
    for (std::string name; std::getline(std::cin, name);)
      std::cout << hf_name_of(args[1], name).value_or("-") << '\n';
  } else if (args.size() == 2 && args[0] == "--gguf-names") {
    for (std::string name; std::getline(std::cin, name);)
      std::cout << gguf_name_of(args[1], name).value_or("-") << '\n';
  } else if (args.size() == 3 && args[0] == "--copy") {
    copy(Checkpoint::open(args[1]), args[2]);
  } else if (args.size() == 3) {
    const Checkpoint checkpoint = Checkpoint::open(args[0]);
    const TensorInfo& tensor = find(checkpoint, args[1]);
    std::vector<float> values(static_cast<size_t>(tensor.numel()));
    dequantize(tensor.dtype, tensor.bytes, values);
    save(args[2], values.data(), values.size());
  } else if (args.size() == 5 && args[0] == "--load") {
    const Checkpoint checkpoint = Checkpoint::open(args[1]);
    at::Tensor values = is_bnb_4bit(checkpoint, args[2]) ? dequantize_4bit(read_bnb_4bit(checkpoint, args[2]))
                                                         : load_tensor(find(checkpoint, args[2]));
    if (const int heads = std::stoi(args[3]); heads > 0) values = undo_rope_permutation(values, heads);
    save(args[4], values.const_data_ptr<float>(), static_cast<size_t>(values.numel()));
  } else if (args.size() == 7 && args[0] == "--quantize") {
    quantize(Checkpoint::open(args[1]), args[2], args[3] == "nf4" ? FourBitType::kNf4 : FourBitType::kFp4,
             args[4] == "double", std::stoll(args[5]), args[6]);
  } else {
    std::cerr << "usage: see the head of tools/dump_tensor.cpp\n";
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}
