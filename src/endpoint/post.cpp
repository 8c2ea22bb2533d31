#include "endpoint/post.h"

#include <fmt/format.h>

#include <httplib.h>
#include <chrono>

#include "base/error.h"
#include "hub/proxy.h"

namespace lora {
namespace {

constexpr int kConnectSeconds = 10;

std::string described(httplib::Error error, bool out_of_time, double timeout_s) {
  if (out_of_time) return fmt::format("no whole answer within {:g} s", timeout_s);
  switch (error) {
    case httplib::Error::Connection:
      return "no connection could be made";
    case httplib::Error::ConnectionTimeout:
      return "no connection within the time allowed";
    case httplib::Error::Read:
    case httplib::Error::ConnectionClosed:
    case httplib::Error::Timeout:
      return "the connection broke off before the answer was whole";
    case httplib::Error::SSLConnection:
      return "no TLS connection could be made";
    case httplib::Error::ProxyConnection:
      return "the proxy made no connection";
    default:
      return fmt::format("the transfer failed ({})", httplib::to_string(error));
  }
}

}  // namespace

// The connection, kept open for the next request.
class Post::Connection {
 public:
  Connection(const Address& address, const PostOptions& options) {
    const std::string& host = address.url.host;
    if (address.https) {
      auto client = std::make_unique<httplib::SSLClient>(host, address.url.port);
      client->enable_server_certificate_verification(true);
      client->enable_server_hostname_verification(true);
      if (!options.ca_file.empty()) client->set_ca_cert_path(options.ca_file);
      client_ = std::move(client);
    } else {
      client_ = std::make_unique<httplib::ClientImpl>(host, address.url.port);
    }
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeout_s * 1000));
    client_->set_connection_timeout(
        std::min<std::chrono::milliseconds>(timeout, std::chrono::seconds(kConnectSeconds)));
    client_->set_read_timeout(timeout);
    client_->set_write_timeout(timeout);
    client_->set_max_timeout(timeout);
    client_->set_follow_location(false);
    client_->set_path_encode(false);
    client_->set_decompress(false);
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
    client_->set_payload_max_length(std::numeric_limits<size_t>::max());
    if (const auto proxy = proxy_from_environment(address.https)) {
      client_->set_proxy(proxy->host, proxy->port);
      if (!proxy->user.empty()) client_->set_proxy_basic_auth(proxy->user, proxy->password);
      client_->set_no_proxy(proxy->excepted);
    }
  }
  httplib::ClientImpl& client() { return *client_; }

 private:
  std::unique_ptr<httplib::ClientImpl> client_;
};

Post::Post(Address address, PostOptions options)
    : address_(std::move(address)),
      options_(std::move(options)),
      connection_(std::make_unique<Connection>(address_, options_)) {}

Post::~Post() = default;

void Post::cancel() {
  cancelled_ = true;
  connection_->client().stop();
}

PostReply Post::send(const std::string& body) {
  PostReply reply;
  if (cancelled_) {
    reply.end = PostReply::End::kStopped;
    return reply;
  }
  httplib::Headers headers{
      {"Accept", "application/json"}, {"Accept-Encoding", "identity"}, {"User-Agent", "lora.cpp"}};
  if (!options_.key.empty()) headers.emplace("Authorization", "Bearer " + options_.key);
  const auto began = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  bool too_large = false;
  const auto result = connection_->client().Post(
      address_.url.target, headers, body, "application/json", [&](const char* data, size_t size) {
        too_large = reply.body.size() + size > options_.most_bytes;
        if (!too_large) reply.body.append(data, size);
        return !too_large && !cancelled_ && elapsed() <= options_.timeout_s;
      });
  reply.seconds = elapsed();
  if (cancelled_) {
    reply.end = PostReply::End::kStopped;
  } else if (too_large) {
    reply.end = PostReply::End::kTooLarge;
  } else if (!result) {
    const bool certificate = result.error() == httplib::Error::SSLServerVerification;
    if (certificate || result.error() == httplib::Error::SSLServerHostnameVerification)
      throw Error::input({.where = address_.shown(),
                          .found = certificate ? "the server's certificate is not signed by anyone who is "
                                                 "trusted here, or not valid now"
                                               : "the server's certificate is for another host",
                          .fix = "With a private certificate authority, name its certificate in ca_file."});
    reply.end = PostReply::End::kNetwork;
    reply.problem = described(result.error(), reply.seconds >= 0.95 * options_.timeout_s, options_.timeout_s);
  } else {
    reply.status = result->status;
    reply.retry_after = result->get_header_value("Retry-After");
    const std::string encoding = result->get_header_value("Content-Encoding");
    if (!encoding.empty() && encoding != "identity") {
      reply.end = PostReply::End::kNetwork;
      reply.problem =
          fmt::format("the answer is compressed ({}), though plain bytes were asked for", encoding);
    }
  }
  return reply;
}

}  // namespace lora
