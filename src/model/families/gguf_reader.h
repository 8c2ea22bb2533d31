// Reads the metadata of a GGUF file below its architecture's name ("llama.block_count").
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "files/gguf.h"

namespace lora {

// A view of the file. Every lookup names the key in its error (kInput).
class GgufReader {
 public:
  explicit GgufReader(const GgufFile& file)
      : file_(file), prefix_(std::string(file.get_string("general.architecture")) + ".") {}

  const GgufFile& file() const { return file_; }
  bool has(const std::string& name) const { return file_.has(prefix_ + name); }
  int64_t integer(const std::string& name) const {
    const uint64_t value = file_.get_uint(prefix_ + name);
    if (value > static_cast<uint64_t>(INT64_MAX))
      throw Error::input({.where = prefix_ + name, .found = "it is " + std::to_string(value)});
    return static_cast<int64_t>(value);
  }
  int64_t integer(const std::string& name, int64_t otherwise) const {
    return has(name) ? integer(name) : otherwise;
  }
  double number(const std::string& name) const { return file_.get_float(prefix_ + name); }
  double number(const std::string& name, double otherwise) const {
    return has(name) ? number(name) : otherwise;
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return has(name) ? std::string(file_.get_string(prefix_ + name)) : otherwise;
  }
  bool flag(const std::string& name, bool otherwise) const {
    return has(name) ? file_.get_bool(prefix_ + name) : otherwise;
  }
  bool has_tensor(const std::string& name) const { return file_.find(name) != nullptr; }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

}  // namespace lora
