#include "endpoint/post.h"

#include <fmt/format.h>

#include <chrono>

#include "hub/client.h"

namespace lora {
namespace {

constexpr int kConnectSeconds = 10;

}  // namespace

// The connection, kept open for the next request.
class Post::Connection {
 public:
  Connection(const Address& address, const PostOptions& options)
      : client_(make_client(address.https, address.url.host, address.url.port, options.ca_file)) {
    const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeout_s * 1000));
    client_->set_connection_timeout(
        std::min<std::chrono::milliseconds>(timeout, std::chrono::seconds(kConnectSeconds)));
    client_->set_read_timeout(timeout);
    client_->set_write_timeout(timeout);
    client_->set_max_timeout(timeout);
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
    refuse_bad_certificate(result.error(), address_.shown(), "name its certificate in ca_file");
    reply.end = PostReply::End::kNetwork;
    reply.problem =
        reply.seconds >= 0.95 * options_.timeout_s
            ? fmt::format("no whole answer within {:g} s", options_.timeout_s)
            : transfer_problem(result.error(), "the connection broke off before the answer was whole");
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
