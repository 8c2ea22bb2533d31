// One POST of JSON over http or https, with a limit on its time and on the size of the answer. Certificates are verified,
// redirects not followed, the key goes into one header and nowhere else. One attempt a call: trying again is
// endpoint.cpp's.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "endpoint/address.h"

namespace lora {

struct PostOptions {
  std::string key = {};      // bearer token; empty: none is sent
  std::string ca_file = {};  // PEM; empty: the system's certificates
  double timeout_s = 120;    // from the first byte sent to the last one received
  size_t most_bytes = 16u << 20;
};

struct PostReply {
  enum class End { kComplete, kNetwork, kTooLarge, kStopped };
  End end = End::kComplete;
  std::string problem = {};  // with kNetwork: what went wrong, for people
  int status = 0;
  std::string retry_after = {};  // the header as it came
  std::string body = {};
  double seconds = 0;
};

// Used by one thread; cancel() may come from any.
class Post {
 public:
  Post(Address address, PostOptions options);
  ~Post();
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;

  // Errors: kInput when the server's certificate is not to be trusted.
  PostReply send(const std::string& body);
  // Ends the running send(), and every later one, with kStopped.
  void cancel();

 private:
  class Connection;
  Address address_;
  PostOptions options_;
  std::unique_ptr<Connection> connection_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace lora
