#include "hub/download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A transfer slower than this over kSlowSeconds is taken for a stalled one.
constexpr uint64_t kSlowBytes = 16 * 1024;
constexpr int kSlowSeconds = 60;
// Bytes beyond all earlier attempts that make the next one the first again.
constexpr uint64_t kProgressBytes = 256 * 1024;

[[noreturn]] void disk_error(const fs::path& path, const std::string& found) {
  throw Error::machine_errno({.where = path.string(), .found = found}, errno);
}

// git's hash of a file: SHA-1 over "blob SIZE\0" and the content.
std::string git_blob_sha1(std::span<const std::byte> bytes) {
  const std::string head = "blob " + std::to_string(bytes.size()) + '\0';
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr);
  EVP_DigestUpdate(context.get(), head.data(), head.size());
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  return text;
}

// What is known of the content, as the part's record keeps it.
std::string identity_of(const WantedFile& wanted) {
  if (!wanted.sha256.empty()) return "sha256:" + wanted.sha256;
  if (!wanted.git_sha1.empty()) return "git-sha1:" + wanted.git_sha1;
  return "url:" + wanted.url.text();
}

// Folders below `folder` that the path needs: made, and none of them a link.
void make_folders(const fs::path& folder, const fs::path& relative) {
  fs::path at = folder;
  for (const fs::path& part : relative.parent_path()) {
    at /= part;
    if (::mkdir(at.c_str(), 0755) != 0 && errno != EEXIST) disk_error(at, "the folder cannot be made");
    if (!fs::is_directory(fs::symlink_status(at)))
      throw Error::input({.where = at.string(),
                          .found = "this is a link or a file",
                          .expected = "a folder",
                          .fix = "Remove it, or choose another folder with --to."});
  }
}

// NAME.part, locked for this process and thread.
class PartFile {
 public:
  explicit PartFile(const fs::path& path) : path_(path) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd_ < 0) disk_error(path, "the file cannot be written");
    struct stat status {};
    const bool plain = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
    const bool locked = plain && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    if (!plain || !locked) {
      ::close(fd_);
      throw Error::input(
          {.where = path.string(),
           .found = plain ? "another lora pull is writing this file" : "this is not a plain file",
           .fix = plain ? "Wait for it, or choose another folder with --to." : "Remove it."});
    }
    size_ = static_cast<uint64_t>(status.st_size);
  }
  ~PartFile() { ::close(fd_); }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  uint64_t size() const { return size_; }
  void truncate() {
    if (::ftruncate(fd_, 0) != 0) disk_error(path_, "the file cannot be written");
    size_ = 0;
  }
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) disk_error(path_, "the file cannot be written");
      bytes.remove_prefix(static_cast<size_t>(n));
      size_ += static_cast<uint64_t>(n);
    }
  }
  void flush() {
    if (::fsync(fd_) != 0) disk_error(path_, "the file cannot be flushed to disk");
  }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// "bytes 100-199/200": the first offset and the total, when both are there.
std::optional<std::pair<uint64_t, uint64_t>> parse_content_range(const std::string& text) {
  unsigned long long first = 0, last = 0, total = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "bytes %20llu-%20llu/%20llu%n", &first, &last, &total, &used) != 3 ||
      static_cast<size_t>(used) != text.size() || last < first || last >= total)
    return std::nullopt;
  return std::pair<uint64_t, uint64_t>{first, total};
}

// What is known of a file that is not whole yet.
fs::path record_of(const fs::path& final_path) {
  return final_path.string() + ".part.json";
}

class Transfer {
 public:
  Transfer(Http& http, const WantedFile& wanted, const fs::path& folder, const RetryOptions& retries,
           DownloadShared& shared)
      : http_(http),
        wanted_(wanted),
        identity_(identity_of(wanted)),
        final_(folder / wanted.path),
        record_(record_of(final_)),
        retry_(retries, shared.stop),
        shared_(shared) {}

  // False: optional, and the server has none.
  bool fetch(PartFile& part) {
    recall(part);
    shared_.bytes_done += part.size();
    counted_ = part.size();
    while (!(wanted_.size && part.size() == *wanted_.size && (part.size() > 0 || complete_))) {
      if (shared_.stop()) throw Error(ErrorKind::kInterrupted, {.found = "interrupted"});
      if (!attempt(part)) return false;
      if (complete_) break;
    }
    return true;
  }

  // What came was not it: from the beginning.
  void begin_anew(PartFile& part) {
    restart(part);
    complete_ = false;
  }
  const WantedFile& wanted() const { return wanted_; }
  const fs::path& final_path() const { return final_; }
  const fs::path& record_path() const { return record_; }

 private:
  // The part of an earlier run is gone on with when it is known to be of the same content.
  void recall(PartFile& part) {
    if (part.size() == 0) return;
    Json json;
    try {
      json = Json::parse(read_file(record_), nullptr, false);
    } catch (const lora::Error&) {
    }
    const auto text = [&](const char* key) {
      return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>()
                                                                             : std::string();
    };
    etag_ = text("etag");
    const bool known_content = !wanted_.sha256.empty() || !wanted_.git_sha1.empty();
    const bool same = text("of") == identity_ && (known_content || !etag_.empty());
    if (!same || (wanted_.size && part.size() > *wanted_.size)) restart(part);
  }

  void restart(PartFile& part) {
    part.truncate();
    etag_.clear();
    shared_.bytes_done -= counted_;
    counted_ = 0;
  }

  bool attempt(PartFile& part) {
    std::vector<HttpHeader> headers;
    const uint64_t offset = part.size();
    if (offset > 0) {
      headers.push_back({"Range", "bytes=" + std::to_string(offset) + "-"});
      if (!etag_.empty()) headers.push_back({"If-Range", etag_});
    }
    std::string problem;  // of the response: another attempt may mend it
    bool body = false, again = false;
    auto slow_since = std::chrono::steady_clock::now();
    uint64_t slow_bytes = 0;
    const HttpReply reply = http_.get(
        wanted_.url, headers,
        [&](const HttpReply& r) {
          body = accept(r, part, offset, problem, again);
          return body || (r.status != 200 && r.status != 206);
        },
        [&](std::string_view bytes) {
          if (!body) return true;  // an error page
          if (wanted_.size && part.size() + bytes.size() > *wanted_.size) {
            problem = "the server sends more than the " + std::to_string(*wanted_.size) +
                      " bytes that were announced";
            return false;
          }
          part.append(bytes);
          shared_.bytes_done += bytes.size();
          shared_.bytes_received += bytes.size();
          counted_ += bytes.size();
          slow_bytes += bytes.size();
          const auto now = std::chrono::steady_clock::now();
          if (now - slow_since > std::chrono::seconds(kSlowSeconds)) {
            if (slow_bytes < kSlowBytes) {
              problem = "the server sends hardly anything";
              return false;
            }
            slow_since = now;
            slow_bytes = 0;
          }
          return !shared_.stop();
        });
    if (shared_.stop()) throw Error(ErrorKind::kInterrupted, {.found = "interrupted"});
    if (part.size() >= furthest_ + kProgressBytes) {
      furthest_ = part.size();
      retry_.progressed();
    }
    if (again) {
      restart(part);
      if (++restarts_ > 3) problem = "the server does not go on where the transfer stopped";
      if (problem.empty()) return true;
    }
    if (!problem.empty() || reply.end != HttpReply::End::kComplete) {
      if (problem.find("more than") != std::string::npos) restart(part);
      retry_.failed(wanted_.url.shown(), problem.empty() ? reply.problem : problem);
      return true;
    }
    if (is_temporary_status(reply.status)) {
      retry_.failed(
          wanted_.url.shown(), "the server answers with status " + std::to_string(reply.status),
          retry_after_seconds(reply.header("Retry-After"), static_cast<double>(std::time(nullptr))));
      return true;
    }
    if (!body) {
      if (wanted_.optional && (reply.status == 404 || reply.status == 410)) return false;
      throw_refused(reply, wanted_.url.shown(), http_.has_token_for(wanted_.url));
    }
    if (wanted_.size && part.size() < *wanted_.size) {
      retry_.failed(wanted_.url.shown(), "the server ends after " + std::to_string(part.size()) + " of " +
                                             std::to_string(*wanted_.size) + " bytes");
      return true;
    }
    complete_ = true;
    return true;
  }

  // Whether the body of a response is to be appended. `again`: the part is of no use to this server.
  bool accept(const HttpReply& r, PartFile& part, uint64_t offset, std::string& problem, bool& again) {
    if (r.status == 416) again = true;
    if (r.status != 200 && r.status != 206) return false;
    const std::string encoding = r.header("Content-Encoding");
    if (!encoding.empty() && encoding != "identity")
      throw Error::input(
          {.where = wanted_.url.shown(),
           .found = "the file comes compressed (" + encoding + "), though plain bytes were asked for",
           .fix = "A proxy on the way may do this; use another way to the server."});
    const auto length = r.content_length();
    if (r.status == 206) {
      const auto range = parse_content_range(r.header("Content-Range"));
      again =
          offset == 0 || !range || range->first != offset || (wanted_.size && range->second != *wanted_.size);
      if (again) return false;
      if (!wanted_.size) wanted_.size = range->second;
    } else {
      if (offset > 0) restart(part);  // the server begins at the beginning
      if (wanted_.size && length && *length != *wanted_.size) {
        problem = "the server announces " + std::to_string(*length) + " bytes, the list of files " +
                  std::to_string(*wanted_.size);
        return false;
      }
      // Without a hash the announced length is all that tells a whole file from a torn one.
      if (!wanted_.size && length) wanted_.size = length;
    }
    if (wanted_.sha256.empty() && wanted_.git_sha1.empty()) learn_hash(r);
    const std::string etag = r.header("ETag");
    if (part.size() == 0) {
      etag_ = etag.starts_with("W/") ? std::string() : etag;  // a weak one does not vouch for bytes
      write_file_atomic(record_, Json{{"of", identity_}, {"etag", etag_}}.dump() + "\n", IfExists::kReplace);
    }
    return true;
  }

  // A hub says in its own answer, before it redirects, which content stands behind the address.
  void learn_hash(const HttpReply& r) {
    std::string linked = r.first_header("X-Linked-Etag");
    linked.erase(std::remove(linked.begin(), linked.end(), '"'), linked.end());
    if (linked.size() == 64 && linked.find_first_not_of("0123456789abcdef") == std::string::npos)
      wanted_.sha256 = linked;
  }

  Http& http_;
  WantedFile wanted_;
  std::string identity_;  // by what was known before the server said more
  fs::path final_, record_;
  Retry retry_;
  DownloadShared& shared_;
  std::string etag_;
  uint64_t counted_ = 0, furthest_ = 0;
  bool complete_ = false;
  int restarts_ = 0;
};

// The hash that was found, and against what it was checked; nullopt: it is another.
std::optional<DownloadedFile> verified(const WantedFile& wanted, const fs::path& file) {
  const MappedFile mapped(file);
  DownloadedFile done{.path = wanted.path,
                      .size = mapped.bytes().size(),
                      .sha256 = sha256_hex(mapped.bytes()),
                      .checked = {}};
  if (wanted.size && *wanted.size != done.size) return std::nullopt;
  if (!wanted.sha256.empty()) {
    if (done.sha256 != wanted.sha256) return std::nullopt;
    done.checked = "sha256";
  } else if (!wanted.git_sha1.empty()) {
    if (git_blob_sha1(mapped.bytes()) != wanted.git_sha1) return std::nullopt;
    done.checked = "git-sha1";
  }
  return done;
}

}  // namespace

DownloadedFile download(Http& http, const WantedFile& wanted, const fs::path& folder, const std::string& ours,
                        const RetryOptions& retries, DownloadShared& shared) {
  make_folders(folder, wanted.path);
  const fs::path final_path = folder / wanted.path;
  const bool hash_known = !wanted.sha256.empty() || !wanted.git_sha1.empty();
  const fs::file_status status = fs::symlink_status(final_path);
  if (fs::exists(status)) {
    const bool plain = fs::is_regular_file(status);
    if (plain && hash_known)
      if (auto done = verified(wanted, final_path)) {
        ::unlink(record_of(final_path)
                     .c_str());  // a kill may have come between the two last steps of an earlier pull
        done->was_there = true;
        shared.bytes_done += done->size;
        return *done;
      }
    if (!plain || ours.empty() || sha256_file(final_path) != ours)
      throw Error::input(
          {.where = final_path.string(),
           .found = plain ? "another file of this name is already there" : "this is not a plain file",
           .fix = "Move it away, or choose another folder with --to; nothing is overwritten."});
  }
  Transfer transfer(http, wanted, folder, retries, shared);
  const fs::path part_path = final_path.string() + ".part";
  PartFile part(part_path);
  remove_left_temporaries(transfer.record_path());
  for (int round = 0;; ++round) {
    if (!transfer.fetch(part)) {
      ::unlink(part_path.c_str());
      return {.path = wanted.path, .sha256 = {}, .checked = {}, .is_absent = true};
    }
    part.flush();
    if (const auto done = verified(transfer.wanted(), part_path)) {
      if (::rename(part_path.c_str(), final_path.c_str()) != 0)
        disk_error(final_path, "the file cannot be put in place");
      ::unlink(transfer.record_path().c_str());
      return *done;
    }
    // What was resumed may have been torn by a crash; what came whole and is still another is the server's doing.
    transfer.begin_anew(part);
    if (round == 1) {
      ::unlink(part_path.c_str());
      ::unlink(transfer.record_path().c_str());
      throw Error::input({.where = wanted.url.shown(),
                          .found = "what the server sends has another hash than announced, twice",
                          .expected = identity_of(transfer.wanted()),
                          .fix = "Do not use this file. The server, or a proxy on the way, alters it."});
    }
  }
}

uint64_t bytes_to_come(const WantedFile& wanted, const fs::path& folder) {
  if (!wanted.size) return 0;
  std::error_code error;
  const fs::path final_path = folder / wanted.path;
  const auto whole = fs::file_size(final_path, error);
  if (!error && whole == *wanted.size) return 0;
  const auto part = fs::file_size(final_path.string() + ".part", error);
  return error || part > *wanted.size ? *wanted.size : *wanted.size - part;
}

void throw_refused(const HttpReply& reply, const std::string& what, bool had_token) {
  const std::string code = reply.header("X-Error-Code");
  const std::string status = "status " + std::to_string(reply.status);
  if (code == "GatedRepo" || reply.status == 403)
    throw Error::input(
        {.where = what,
         .found = "the server gives no access (" + status + ")",
         .fix = "Accept the model's terms on its page, and set HF_TOKEN to a token of that account."});
  if (code == "RevisionNotFound")
    throw Error::input({.where = what, .found = "there is no such revision", .fix = "Check --revision."});
  if (reply.status == 401 || reply.status == 404 || reply.status == 410 || code == "RepoNotFound")
    throw Error::input(
        {.where = what,
         .found = "the server knows nothing of this name, or shows it only to some (" + status + ")",
         .fix = had_token ? "Check the name, and whether HF_TOKEN may read it."
                          : "Check the name; for a private or gated model set HF_TOKEN."});
  throw Error::input(
      {.where = what, .found = "the server answers with " + status, .fix = "Check the address."});
}

}  // namespace lora
