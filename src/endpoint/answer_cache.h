// Answers of endpoints on disk, one file each, named by the hash of what was asked of whom: asking again costs nothing.
// A file that is torn, foreign or changed is not believed: it counts as absent. Keys are never in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "endpoint/completion.h"

namespace lora {

// What identifies an answer.
struct AskedOf {
  std::string url;       // as a person may see it
  std::string url_hash;  // of the whole URL
  std::string request;   // the body that is sent; it names the model
  int sample = 0;

  std::string hash() const;  // SHA-256 over all of it
};

class AnswerCache {
 public:
  // Makes the folder when something is first stored. An empty path: nothing is kept.
  explicit AnswerCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::optional<ChatReply> find(const AskedOf& asked) const;
  // Errors: kMachine.
  void store(const AskedOf& asked, const ChatReply& reply) const;

  // Tells of answers that were there already: ", 20 taken from outputs/first/eval/endpoint_cache"; "" of none.
  std::string taken_in_words(int64_t count) const;

 private:
  std::filesystem::path file_of(const AskedOf& asked) const;
  std::filesystem::path folder_;
};

}  // namespace lora
