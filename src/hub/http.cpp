#include "hub/http.h"

#include <httplib.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "base/error.h"
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

bool is_certificate_problem(httplib::Error error) {
  return error == httplib::Error::SSLServerVerification ||
         error == httplib::Error::SSLServerHostnameVerification;
}

std::string described(httplib::Error error, int read_seconds) {
  switch (error) {
    case httplib::Error::Connection:
      return "no connection could be made";
    case httplib::Error::ConnectionTimeout:
      return "no connection within the time allowed";
    case httplib::Error::Read:
    case httplib::Error::ConnectionClosed:
    case httplib::Error::Timeout:
      return "the connection broke off, or nothing came for " + std::to_string(read_seconds) + " s";
    case httplib::Error::SSLConnection:
      return "no TLS connection could be made";
    case httplib::Error::ProxyConnection:
      return "the proxy made no connection";
    default:
      return "the transfer failed (" + httplib::to_string(error) + ")";
  }
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
  httplib::SSLClient& to(const Url& url, const HttpOptions& options) {
    const std::lock_guard lock(mutex_);
    if (client_ && origin_.same_origin(url)) return *client_;
    auto client = std::make_unique<httplib::SSLClient>(url.host, url.port);
    client->enable_server_certificate_verification(true);
    client->enable_server_hostname_verification(true);
    if (!options.ca_file.empty()) client->set_ca_cert_path(options.ca_file);
    client->set_connection_timeout(options.connect_seconds);
    client->set_read_timeout(options.read_seconds);
    client->set_write_timeout(options.read_seconds);
    client->set_follow_location(false);
    client->set_path_encode(false);
    client->set_decompress(false);
    client->set_keep_alive(true);
    client->set_tcp_nodelay(true);
    client->set_payload_max_length(std::numeric_limits<size_t>::max());
    if (const auto proxy = proxy_from_environment(true)) {
      client->set_proxy(proxy->host, proxy->port);
      if (!proxy->user.empty()) client->set_proxy_basic_auth(proxy->user, proxy->password);
      client->set_no_proxy(proxy->excepted);
    }
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
  std::unique_ptr<httplib::SSLClient> client_;
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

  httplib::SSLClient& client = connection_->to(url, options_);
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
    if (is_certificate_problem(result.error()))
      throw Error::input(
          {.where = url.shown(),
           .found =
               result.error() == httplib::Error::SSLServerVerification
                   ? "the server's certificate is not signed by anyone who is trusted here, or not valid now"
                   : "the server's certificate is for another host",
           .fix = "With a private certificate authority, give its certificate with --ca-file."});
    reply.end = HttpReply::End::kNetwork;
    reply.problem = described(result.error(), options_.read_seconds);
  }
  return reply;
}

}  // namespace lora
