// One file from a server to disk: resumed where an earlier attempt stopped, verified, then renamed into place, so that a
// file under its own name is always whole. While it comes it is NAME.part, with NAME.part.json telling of what.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "hub/http.h"
#include "hub/retry.h"

namespace lora {

// A file to fetch. Of its size and hashes whatever is known.
struct WantedFile {
  std::string path;  // below the target folder; check_path() has passed it
  Url url;
  std::optional<uint64_t> size = {};
  std::string sha256 = {};
  std::string git_sha1 = {};
  bool optional = false;  // a server that does not have it (404) is no error
};

struct DownloadedFile {
  std::string path;
  uint64_t size = 0;
  std::string sha256;      // of what lies on disk
  std::string checked;     // against what: "sha256", "git-sha1", or "" when nothing was known
  bool was_there = false;  // whole, before anything was fetched
  bool is_absent = false;  // optional, and not on the server
};

// What all downloads of a command share.
struct DownloadShared {
  std::function<bool()> stop;                // asked often, from any thread
  std::atomic<uint64_t> bytes_done = 0;      // of all files, resumed parts included
  std::atomic<uint64_t> bytes_received = 0;  // over the network
};

// Fetches into `folder`, which must exist; makes folders below it as the path needs. Never writes through a link below
// it. A file that is already there with the right hash is left alone; another one is replaced only when `ours` is its
// SHA-256 (an earlier pull put it there).
// Errors: kInput when the server refuses it (401, 403, 404), when what came has another hash twice, when a foreign file
// is in its place; kMachine when the network or the disk fails; kInterrupted.
DownloadedFile download(Http& http, const WantedFile& wanted, const std::filesystem::path& folder,
                        const std::string& ours, const RetryOptions& retries, DownloadShared& shared);

// Bytes of `wanted` that are still to come, for the check of free space: its size less the part that is there. 0 when
// its size is not known.
uint64_t bytes_to_come(const WantedFile& wanted, const std::filesystem::path& folder);

// Throws the Error (kInput) that a refused request stands for: no such repository, revision or file, or no access.
[[noreturn]] void throw_refused(const HttpReply& reply, const std::string& what, bool had_token);

}  // namespace lora
