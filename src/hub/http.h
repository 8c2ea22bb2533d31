// GET over HTTPS: certificates verified, redirects followed within bounds, a token sent to one host only, proxies from
// the environment. One attempt a call: trying again is retry.h's. What goes over the wire is never decompressed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/url.h"

namespace lora {

struct HttpOptions {
  std::string ca_file = {};  // PEM; empty: the system's certificates
  int connect_seconds = 10;
  int read_seconds = 30;   // without a byte arriving
  std::string token = {};  // bearer token, for `token_origin` only
  std::optional<Url> token_origin = {};
};

struct HttpHeader {
  std::string name, value;
};

// How a request ended. Headers are those of the last response; `first` those of the first, before any redirect.
struct HttpReply {
  enum class End { kComplete, kNetwork, kStopped };  // kStopped: a callback, or cancel(), asked for it
  End end = End::kComplete;
  std::string problem = {};  // with kNetwork: what went wrong, for people
  int status = 0;
  Url url = {};  // that answered
  std::vector<HttpHeader> headers = {}, first = {};

  // The value of a header, "" when absent; names compare without case.
  std::string header(std::string_view name) const { return value_of(headers, name); }
  std::string first_header(std::string_view name) const { return value_of(first, name); }
  std::optional<uint64_t> content_length() const;

 private:
  static std::string value_of(const std::vector<HttpHeader>& headers, std::string_view name);
};

// Used by one thread; cancel() may come from any.
class Http {
 public:
  // Called when the headers of the last response are in, and with its body as it comes. false: stop.
  using OnResponse = std::function<bool(const HttpReply&)>;
  using OnBytes = std::function<bool(std::string_view)>;

  // Errors: kInput when the CA file or a proxy variable cannot be used.
  explicit Http(HttpOptions options);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // Errors: kInput when a certificate is not valid for the host, when a redirect leads away from https or there are more
  // than 10. Everything else that can go wrong on the way is in the reply.
  HttpReply get(const Url& url, const std::vector<HttpHeader>& headers, const OnResponse& on_response,
                const OnBytes& on_bytes);

  bool has_token_for(const Url& url) const {
    return !options_.token.empty() && options_.token_origin && options_.token_origin->same_origin(url);
  }

  // Ends the running get(), and every later one, with kStopped.
  void cancel();

 private:
  class Connection;
  // `first`: the headers of the first response when this is a redirect's target, else empty.
  HttpReply get_once(const Url& url, const std::vector<HttpHeader>& headers,
                     const std::vector<HttpHeader>& first, const OnResponse& on_response,
                     const OnBytes& on_bytes);

  HttpOptions options_;
  std::unique_ptr<Connection> connection_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace lora
