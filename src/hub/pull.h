// `lora pull`: a model from a hub, or from any https address, into a folder. Several files at a time; every one verified;
// what was fetched is written down in pull.json (docs/formats/pull.md), so that a second pull knows what is its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "hub/download.h"
#include "hub/retry.h"

namespace lora {

struct PullOptions {
  std::string repo = {};  // "owner/name"; or
  std::string from = {};  // the address of one file, or of a folder of files when it ends in "/"
  std::string revision = "main";
  std::string endpoint = "https://huggingface.co";
  std::string token = {};  // for the endpoint only
  std::filesystem::path folder = {};
  std::vector<std::string> patterns = {};          // as choose_files() takes them
  std::map<std::string, std::string> sha256 = {};  // with `from`: file name -> expected hash
  std::string ca_file = {};
  int jobs = 4;  // files at a time
  int read_seconds = 30;
  RetryOptions retries = {};
  std::function<bool()> stop = [] { return false; };
};

struct PullResult {
  std::string commit;  // "" with `from`
  std::vector<DownloadedFile> files;
  uint64_t bytes_received = 0;
  double seconds = 0;
};

// Errors: as the parts have them; kMachine when the disk has not the room; kInterrupted, after which the same call goes
// on where it stopped.
PullResult pull(const PullOptions& options, Progress& progress);

}  // namespace lora
