// A new file written piece by piece: it appears under its name when commit() is reached, and never takes another's
// place. Not for files that may be replaced (base/atomic_file.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lora {

class OutputFile {
 public:
  // Errors: kInput when the file exists; kMachine when it cannot be written.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();  // removes what was written when commit() was not reached
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view text);  // Errors: kMachine
  void commit();                      // Errors: kInput when the name was taken meanwhile, kMachine

 private:
  void flush();

  std::filesystem::path path_, temporary_;
  std::string buffer_;
  int fd_ = -1;
};

}  // namespace lora
