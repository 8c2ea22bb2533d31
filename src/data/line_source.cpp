#include "data/line_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/error.h"

namespace lora {
namespace {

constexpr size_t kBlock = size_t{64} << 10;  // bytes asked for at a time

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

size_t read_some(int fd, char* to, size_t size, const std::string& name) {
  while (true) {
    const ssize_t n = ::read(fd, to, size);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR)
      throw Error::machine_errno({.where = name, .found = "the file cannot be read"}, errno);
  }
}

size_t read_some_at(int fd, uint64_t offset, char* to, size_t size, const std::string& name) {
  while (true) {
    const ssize_t n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR)
      throw Error::machine_errno({.where = name, .found = "the file cannot be read again"}, errno);
  }
}

// A file, or standard input.
class FileStream : public ByteStream {
 public:
  FileStream(FileDescriptor file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
  size_t read(char* to, size_t size) override { return read_some(file_.get(), to, size, name_); }
  size_t read_at(uint64_t offset, char* to, size_t size) override {
    return read_some_at(file_.get(), offset, to, size, name_);
  }

 private:
  FileDescriptor file_;
  std::string name_;
};

class TextStream : public ByteStream {
 public:
  explicit TextStream(std::string_view text) : text_(text) {}
  size_t read(char* to, size_t size) override {
    const size_t n = read_at(at_, to, size);
    at_ += n;
    return n;
  }
  size_t read_at(uint64_t offset, char* to, size_t size) override {
    if (offset >= text_.size()) return 0;
    const size_t n = std::min<size_t>(size, text_.size() - offset);
    std::memcpy(to, text_.data() + offset, n);
    return n;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// Bytes that were read from `inner` already, then the rest of it.
class PutBackStream : public ByteStream {
 public:
  PutBackStream(std::string head, std::unique_ptr<ByteStream> inner)
      : head_(std::move(head)), inner_(std::move(inner)) {}
  size_t read(char* to, size_t size) override {
    if (at_ == head_.size()) return inner_->read(to, size);
    const size_t n = std::min(size, head_.size() - at_);
    std::memcpy(to, head_.data() + at_, n);
    at_ += n;
    return n;
  }
  size_t read_at(uint64_t offset, char* to, size_t size) override {
    return inner_->read_at(offset, to, size);
  }

 private:
  std::string head_;
  size_t at_ = 0;
  std::unique_ptr<ByteStream> inner_;
};

// RFC 1952, any number of members one behind the other.
class GzipStream : public ByteStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> inner, std::string name)
      : inner_(std::move(inner)), name_(std::move(name)), in_(kBlock) {
    if (inflateInit2(&z_, 16 + MAX_WBITS) != Z_OK)
      throw Error::machine({.where = name_, .found = "no memory to unpack gzip"});
  }
  ~GzipStream() override { inflateEnd(&z_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  size_t read(char* to, size_t size) override {
    size_t made = 0;
    while (made < size) {
      if (z_.avail_in == 0 && !input_ended_) {
        z_.next_in = reinterpret_cast<Bytef*>(in_.data());
        z_.avail_in = static_cast<uInt>(inner_->read(in_.data(), in_.size()));
        input_ended_ = z_.avail_in == 0;
      }
      if (between_members_) {
        if (z_.avail_in == 0) return made;
        if (*z_.next_in == 0) {  // padding after the last member, as tapes have it
          ++z_.next_in;
          --z_.avail_in;
          continue;
        }
        inflateReset(&z_);
        between_members_ = false;
      }
      if (z_.avail_in == 0)
        refuse("the gzip data ends too early: the file is cut off", "Copy or download it again.");
      z_.next_out = reinterpret_cast<Bytef*>(to + made);
      z_.avail_out = static_cast<uInt>(std::min<size_t>(size - made, kBlock));
      const uInt room = z_.avail_out;
      const int status = inflate(&z_, Z_NO_FLUSH);
      made += room - z_.avail_out;
      if (status == Z_STREAM_END)
        between_members_ = true;
      else if (status == Z_MEM_ERROR)
        throw Error::machine({.where = name_, .found = "no memory to unpack gzip"});
      else if (status != Z_OK && status != Z_BUF_ERROR)
        refuse(fmt::format("the gzip data is damaged ({})", z_.msg ? z_.msg : "not a gzip member"),
               "Make or download the file again.");
    }
    return made;
  }
  size_t read_at(uint64_t, char*, size_t) override { return 0; }  // SpilledStream is around it

 private:
  [[noreturn]] void refuse(std::string found, std::string fix) const {
    throw Error::input({.where = name_, .found = std::move(found), .fix = std::move(fix)});
  }

  std::unique_ptr<ByteStream> inner_;
  std::string name_;
  std::vector<char> in_;
  z_stream z_{};
  bool input_ended_ = false, between_members_ = false;
};

// Keeps what is read in a temporary file that has no name any more, so that it can be read again.
class SpilledStream : public ByteStream {
 public:
  SpilledStream(std::unique_ptr<ByteStream> inner, std::string name)
      : inner_(std::move(inner)), name_(std::move(name)), file_(open_nameless()) {}
  size_t read(char* to, size_t size) override {
    const size_t n = inner_->read(to, size);
    for (size_t written = 0; written < n;) {
      const ssize_t w = ::write(file_.get(), to + written, n - written);
      if (w < 0 && errno == EINTR) continue;
      if (w < 0)
        throw Error::machine_errno({.where = name_, .found = "a temporary copy cannot be written"}, errno);
      written += static_cast<size_t>(w);
    }
    return n;
  }
  size_t read_at(uint64_t offset, char* to, size_t size) override {
    return read_some_at(file_.get(), offset, to, size, name_);
  }

 private:
  FileDescriptor open_nameless() const {
    std::error_code no_folder;
    std::string path = (std::filesystem::temp_directory_path(no_folder) / "lora-XXXXXX").string();
    FileDescriptor file(::mkstemp(path.data()));
    if (file.get() < 0)
      throw Error::machine_errno({.where = path,
                                  .found = "no temporary file can be made",
                                  .fix = "Set TMPDIR to a folder with room for the unpacked data."},
                                 errno);
    ::unlink(path.c_str());
    return file;
  }

  std::unique_ptr<ByteStream> inner_;
  std::string name_;
  FileDescriptor file_;
};

// Fills `head` up to 16 bytes: a pipe may give them one by one.
std::string read_head(ByteStream& stream) {
  std::string head(16, '\0');
  size_t have = 0;
  while (have < head.size()) {
    const size_t n = stream.read(head.data() + have, head.size() - have);
    if (n == 0) break;
    have += n;
  }
  head.resize(have);
  return head;
}

bool is_gzip(std::string_view head) {
  return head.starts_with("\x1F\x8B");
}

std::unique_ptr<ByteStream> open_stream(const std::string& path, const std::string& name, bool keep) {
  const bool standard_input = path == "-";
  FileDescriptor file(standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      throw Error::input({.where = name, .found = "the file does not exist"});
    throw Error::machine_errno({.where = name, .found = "the file cannot be opened"}, errno);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode))
    throw Error::input({.where = name, .found = "this is a folder", .expected = "a file"});
  const bool seekable = S_ISREG(status.st_mode) && !standard_input;
  std::unique_ptr<ByteStream> stream = std::make_unique<FileStream>(std::move(file), name);
  std::string head = read_head(*stream);
  const bool packed = is_gzip(head);
  if (!packed) refuse_foreign_bytes(head, name);
  stream = std::make_unique<PutBackStream>(std::move(head), std::move(stream));
  if (packed) {
    stream = std::make_unique<GzipStream>(std::move(stream), name);
    head = read_head(*stream);
    if (is_gzip(head))
      throw Error::input({.where = name, .found = "gzip inside gzip", .fix = "Unpack it once: gunzip."});
    refuse_foreign_bytes(head, name);
    stream = std::make_unique<PutBackStream>(std::move(head), std::move(stream));
  }
  if (keep && (packed || !seekable)) stream = std::make_unique<SpilledStream>(std::move(stream), name);
  return stream;
}

}  // namespace

LineSource::LineSource(const std::string& path, const LineOptions& options)
    : name_(path == "-" ? "standard input" : path),
      options_(options),
      stream_(open_stream(path, name_, options.keep_for_rereading)) {}

LineSource::LineSource(std::string_view text, std::string name, const LineOptions& options)
    : name_(std::move(name)), options_(options), stream_(std::make_unique<TextStream>(text)) {
  refuse_foreign_bytes(text.substr(0, 16), name_);
}

LineSource::LineSource(LineSource&&) noexcept = default;
LineSource& LineSource::operator=(LineSource&&) noexcept = default;
LineSource::~LineSource() = default;

// More bytes behind those that wait; false at the end of the file.
bool LineSource::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kBlock) buffer_.resize(std::max(2 * buffer_.size(), end_ + kBlock));
  char* to = buffer_.data() + end_;
  const size_t room = buffer_.size() - end_;
  const size_t n = again_ ? stream_->read_at(again_at_, to, room) : stream_->read(to, room);
  again_at_ += n;
  end_ += n;
  return n > 0;
}

bool LineSource::next(Line& line) {
  size_t searched = 0;  // bytes behind begin_ without a line break
  const char* newline = nullptr;
  uint64_t dropped = 0;  // of a line over the cap
  while (true) {
    newline = static_cast<const char*>(
        std::memchr(buffer_.data() + begin_ + searched, '\n', end_ - begin_ - searched));
    if (newline) break;
    searched = end_ - begin_;
    if (searched > options_.max_line_bytes + 2) {  // its beginning is kept, the rest is only counted
      dropped += searched - options_.max_line_bytes;
      end_ = begin_ + options_.max_line_bytes;
      searched = options_.max_line_bytes;
    }
    if (!fill()) break;
  }
  if (!newline && searched == 0 && dropped == 0) return false;
  const char* text = buffer_.data() + begin_;
  size_t length = newline ? static_cast<size_t>(newline - text) : searched;
  const size_t taken = length + (newline ? 1 : 0);
  line.ended = newline != nullptr;
  line.crlf = newline && length > 0 && text[length - 1] == '\r';
  if (line.crlf) --length;
  line.number = ++number_;
  line.offset = offset_;
  line.bytes = length + dropped;
  line.text = {text, std::min(length, options_.max_line_bytes)};
  begin_ += taken;
  offset_ += taken + dropped;
  return true;
}

void LineSource::rewind() {
  again_ = true;
  begin_ = end_ = 0;
  again_at_ = offset_ = 0;
  number_ = 0;
}

std::string_view LineSource::peek(size_t size) {
  while (end_ - begin_ < size && fill()) {
  }
  return {buffer_.data() + begin_, end_ - begin_};
}

void LineSource::take(size_t size) {
  const std::string_view taken(buffer_.data() + begin_, std::min(size, end_ - begin_));
  number_ += static_cast<size_t>(std::count(taken.begin(), taken.end(), '\n'));
  begin_ += taken.size();
  offset_ += taken.size();
}

size_t LineSource::read_bytes(uint64_t offset, size_t size, std::string& out) {
  const size_t before = out.size();
  out.resize(before + size);
  size_t have = 0;
  while (have < size) {
    const size_t n = stream_->read_at(offset + have, out.data() + before + have, size - have);
    if (n == 0) break;
    have += n;
  }
  out.resize(before + have);
  return have;
}

bool LineSource::read_again(uint64_t offset, std::string& text) {
  text.clear();
  size_t step = 4096;
  while (true) {
    const size_t before = text.size();
    const size_t n = read_bytes(offset + before, step, text);
    if (n == 0) break;
    if (const size_t newline = text.find('\n', before); newline != std::string::npos) {
      text.resize(newline);
      if (text.ends_with('\r')) text.pop_back();
      if (text.size() > options_.max_line_bytes) text.resize(options_.max_line_bytes);
      return true;
    }
    if (text.size() > options_.max_line_bytes + 2) {
      text.resize(options_.max_line_bytes);
      return true;
    }
    step = std::min<size_t>(2 * step, size_t{1} << 20);
  }
  return !text.empty();
}

void refuse_foreign_bytes(std::string_view text, std::string_view name) {
  using namespace std::string_view_literals;
  const auto refuse = [&](std::string found, std::string expected, std::string fix) {
    throw Error::input({.where = fmt::format("{}:1:1", name),
                        .found = std::move(found),
                        .expected = std::move(expected),
                        .fix = std::move(fix)});
  };
  const auto encoding = [&](std::string found, std::string_view from) {
    refuse(std::move(found), "UTF-8",
           fmt::format("Convert it: iconv -f {} -t UTF-8 {} > converted.jsonl", from, name));
  };
  if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv))
    encoding("the file is UTF-32", "UTF-32");
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) encoding("the file is UTF-16", "UTF-16");
  if (text.size() >= 2 && text[0] == '\0' && text[1] != '\0')
    encoding("the file looks like UTF-16 (big endian)", "UTF-16BE");
  if (text.size() >= 2 && text[0] != '\0' && text[1] == '\0')
    encoding("the file looks like UTF-16 (little endian)", "UTF-16LE");
  struct Magic {
    std::string_view bytes, what, fix;
  };
  constexpr std::array kCompressed{
      Magic{"\x28\xB5\x2F\xFD"sv, "zstd", "Unpack it first: unzstd."},
      Magic{"PK\x03\x04"sv, "zip", "Unpack it first: unzip."},
      Magic{"BZh"sv, "bzip2", "Unpack it first: bunzip2."},
      Magic{"\xFD\x37zXZ\0"sv, "xz", "Unpack it first: unxz."},
      Magic{"\x04\x22\x4D\x18"sv, "lz4", "Unpack it first: unlz4."},
      Magic{"7z\xBC\xAF\x27\x1C"sv, "7z", "Unpack it first."},
  };
  for (const Magic& magic : kCompressed)
    if (text.starts_with(magic.bytes))
      refuse(fmt::format("the file is compressed ({})", magic.what), "JSON Lines, plain or gzip",
             std::string(magic.fix));
  constexpr std::array kFormats{
      Magic{"PAR1"sv, "in Parquet format", ""}, Magic{"ARROW1"sv, "in Arrow format", ""},
      Magic{"SQLite format"sv, "an SQLite database", ""}, Magic{"GGUF"sv, "a GGUF model", ""}};
  for (const Magic& magic : kFormats)
    if (text.starts_with(magic.bytes))
      refuse(fmt::format("the file is {}", magic.what), "JSON Lines", "Convert it to JSON Lines first.");
}

}  // namespace lora
