// Bytes appended now and read again later, in memory up to a budget and in an unnamed temporary file beyond it. The
// file has no name, so nothing is left behind however the program ends. One writer; reading may come between writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lora {

// Where the files lie: the first of $TMPDIR, /var/tmp and /tmp in which one can be made. Errors: kMachine when there is none.
std::string spill_folder();

class SpillFile {
 public:
  // Holds up to `memory_budget` bytes in memory. The file lies in spill_folder().
  explicit SpillFile(size_t memory_budget) : budget_(memory_budget) {}
  ~SpillFile();
  SpillFile(SpillFile&& other) noexcept;
  SpillFile& operator=(SpillFile&&) = delete;
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Gives the offset at which the bytes lie from now on. Errors: kMachine when the disk is full or no folder can be
  // written.
  uint64_t append(std::span<const std::byte> bytes);
  // Precondition: [offset, offset + out.size()) was appended. Errors: kMachine.
  void read(uint64_t offset, std::span<std::byte> out) const;

  uint64_t size() const { return in_file_ + tail_.size(); }
  bool spilled() const { return file_ >= 0; }

 private:
  void write_out();

  size_t budget_;
  int file_ = -1;
  uint64_t in_file_ = 0;         // bytes [0, in_file_) lie in the file
  std::vector<std::byte> tail_;  // the bytes after those
};

}  // namespace lora
