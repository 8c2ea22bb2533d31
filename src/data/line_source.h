// Lines of a file of any size in bounded memory: plain or gzip (told by its first bytes), or standard input.
// Knows line breaks and the cap on a line's length, nothing of what a line holds. Other compressions and
// encodings are refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lora {

// Longest line that is read, in bytes: a longer one is rather a file of another format.
inline constexpr size_t kMaxLineBytes = size_t{16} << 20;

// `text` is valid until the next call. Without its line break: LF, or CR LF.
struct Line {
  std::string_view text;
  size_t number = 0;    // from 1
  uint64_t offset = 0;  // of its first byte in the (unpacked) file; for reading it again
  size_t bytes =
      0;  // length; more than text.size() when the line is over the cap, then `text` is its beginning
  bool crlf = false;   // ended with CR LF
  bool ended = false;  // ended with a line break; false only on the last line
  bool over_cap() const { return bytes > text.size(); }
};

struct LineOptions {
  size_t max_line_bytes = kMaxLineBytes;
  // Whether lines will be read again. Standard input and gzip are then kept in a temporary file without a name
  // (nothing is left behind, however the program ends).
  bool keep_for_rereading = false;
};

// Bytes in order, and whether one can go back. An inner part of LineSource.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At most `size` bytes into `to`; 0 at the end. Errors: kInput for damaged gzip, kMachine when reading fails.
  virtual size_t read(char* to, size_t size) = 0;
  // At most `size` bytes from `offset` of those that were read. Precondition: keep_for_rereading.
  virtual size_t read_at(uint64_t offset, char* to, size_t size) = 0;
};

class LineSource {
 public:
  // `path`: a file, or "-" for standard input. Errors: kInput when it does not exist, is a folder or of a format that
  // is not read (UTF-16, zip, zstd, Parquet, …); kMachine when it cannot be read.
  explicit LineSource(const std::string& path, const LineOptions& options = {});
  // Lines of a text in memory, which must outlive the object. `name` stands for the file in messages.
  LineSource(std::string_view text, std::string name, const LineOptions& options = {});
  LineSource(LineSource&&) noexcept;
  LineSource& operator=(LineSource&&) noexcept;
  ~LineSource();

  // The next line; false at the end. A byte order mark stays where it is. Errors: as ByteStream::read.
  bool next(Line& line);
  // The next bytes, at least `size` where the file has them, without taking them. Valid until the next call.
  std::string_view peek(size_t size);
  // Takes `size` bytes of what peek() gave, past all line structure: for files that are not lines. Line numbers of
  // next() count on from what was taken.
  void take(size_t size);
  // Back to the beginning, for another pass. Precondition: as for read_again().
  void rewind();
  // The line that begins at `offset`, as next() gave it; false when there is none. Lines over the cap come cut.
  // Precondition: keep_for_rereading, or the source is a plain file or text.
  bool read_again(uint64_t offset, std::string& text);
  // At most `size` bytes of the file from `offset`, appended to `out`. Gives their number. Precondition as above.
  size_t read_bytes(uint64_t offset, size_t size, std::string& out);

  const std::string& name() const { return name_; }  // "standard input" for "-"
  uint64_t bytes_read() const { return offset_; }    // of the lines given so far, line breaks included

 private:
  bool fill();

  std::string name_;
  LineOptions options_;
  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;  // bytes [begin_, end_) wait to be given
  size_t begin_ = 0, end_ = 0;
  uint64_t offset_ = 0;  // of buffer_[begin_] in the file
  size_t number_ = 0;
  bool again_ = false;  // reading by read_at(), from stream position `again_at_`
  uint64_t again_at_ = 0;
};

// Refuses what is not UTF-8 text by its first bytes: UTF-16 and UTF-32, zip, zstd, bzip2, xz, Parquet, Arrow, SQLite …
// `name` stands for the file. Errors: kInput. A UTF-8 byte order mark and gzip pass.
void refuse_foreign_bytes(std::string_view first_bytes, std::string_view name);

}  // namespace lora
