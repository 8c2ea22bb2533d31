#include "hub/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "hub/client.h"
#include "hub/proxy.h"

namespace lora {
namespace {

constexpr int kMostRedirects = 10;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

std::string HttpReply::value_of(const std::vector<HttpHeader>& headers, std::string_view name) {
  for (const HttpHeader& header : headers)
    if (equal_ignoring_case(header.name, name)) return header.value;
  return {};
}

std::optional<uint64_t> HttpReply::content_length() const {
  const std::string text = header("Content-Length");
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoull(text);
}

// The open connection, kept for the next request to the same host.
class Http::Connection {
 public:
  httplib::ClientImpl& to(const Url& url, const HttpOptions& options) {
    const std::lock_guard lock(mutex_);
    if (client_ && origin_.same_origin(url)) return *client_;
    auto client = make_client(true, url.host, url.port, options.ca_file);
    client->set_connection_timeout(options.connect_seconds);
    client->set_read_timeout(options.read_seconds);
    client->set_write_timeout(options.read_seconds);
    client_ = std::move(client);
    origin_ = url;
    return *client_;
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    if (client_) client_->stop();
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<httplib::ClientImpl> client_;
  Url origin_;
};

Http::Http(HttpOptions options) : options_(std::move(options)), connection_(std::make_unique<Connection>()) {
  if (!options_.ca_file.empty() && !std::filesystem::is_regular_file(options_.ca_file))
    throw Error::input({.where = "--ca-file " + options_.ca_file,
                        .found = "there is no such file",
                        .expected = "certificates in PEM format"});
  proxy_from_environment(true);  // its errors come before any work
}

Http::~Http() = default;

void Http::cancel() {
  cancelled_ = true;
  connection_->stop();
}

HttpReply Http::get(const Url& url, const std::vector<HttpHeader>& headers, const OnResponse& on_response,
                    const OnBytes& on_bytes) {
  Url at = url;
  std::vector<HttpHeader> first;
  for (int redirects = 0;; ++redirects) {
    HttpReply reply = get_once(at, headers, first, on_response, on_bytes);
    if (redirects == 0) first = reply.headers;
    if (reply.end != HttpReply::End::kComplete || !is_redirect(reply.status)) return reply;
    if (redirects == kMostRedirects)
      throw Error::input(
          {.where = url.shown(),
           .found = "the server redirects more than " + std::to_string(kMostRedirects) + " times",
           .fix = "Check the URL; the server may be misconfigured."});
    at = resolve_redirect(at, reply.header("Location"));
  }
}

HttpReply Http::get_once(const Url& url, const std::vector<HttpHeader>& headers,
                         const std::vector<HttpHeader>& first, const OnResponse& on_response,
                         const OnBytes& on_bytes) {
  HttpReply reply;
  reply.url = url;
  if (cancelled_) {
    reply.end = HttpReply::End::kStopped;
    return reply;
  }
  httplib::Headers sent{{"Accept-Encoding", "identity"}, {"User-Agent", "lora.cpp"}};
  for (const HttpHeader& header : headers) sent.emplace(header.name, header.value);
  if (has_token_for(url)) sent.emplace("Authorization", "Bearer " + options_.token);

  httplib::ClientImpl& client = connection_->to(url, options_);
  bool stopped = false, redirected = false;
  const auto result = client.Get(
      url.target, sent,
      [&](const httplib::Response& response) {
        reply.status = response.status;
        for (const auto& [name, value] : response.headers) reply.headers.push_back({name, value});
        reply.first = first.empty() ? reply.headers : first;
        redirected = is_redirect(reply.status);
        if (redirected) return false;  // its body is of no interest
        stopped = !on_response(reply);
        return !stopped;
      },
      [&](const char* data, size_t size) {
        stopped = cancelled_ || !on_bytes({data, size});
        return !stopped;
      });
  if (redirected) return reply;
  if (stopped || cancelled_) {
    reply.end = HttpReply::End::kStopped;
  } else if (!result) {
    refuse_bad_certificate(result.error(), url.shown(), "give its certificate with --ca-file");
    reply.end = HttpReply::End::kNetwork;
    reply.problem = transfer_problem(
        result.error(),
        fmt::format("the connection broke off, or nothing came for {} s", options_.read_seconds));
  }
  return reply;
}

}  // namespace lora
