#include "hub/client.h"

#include <fmt/format.h>

#include <limits>

#include "hub/proxy.h"

namespace lora {

std::unique_ptr<httplib::ClientImpl> make_client(bool https, const std::string& host, int port,
                                                 const std::string& ca_file) {
  std::unique_ptr<httplib::ClientImpl> client;
  if (https) {
    auto verified = std::make_unique<httplib::SSLClient>(host, port);
    verified->enable_server_certificate_verification(true);
    verified->enable_server_hostname_verification(true);
    if (!ca_file.empty()) verified->set_ca_cert_path(ca_file);
    client = std::move(verified);
  } else {
    client = std::make_unique<httplib::ClientImpl>(host, port);
  }
  client->set_follow_location(false);
  client->set_path_encode(false);
  client->set_decompress(false);
  client->set_keep_alive(true);
  client->set_tcp_nodelay(true);
  client->set_payload_max_length(std::numeric_limits<size_t>::max());
  if (const auto proxy = proxy_from_environment(https)) {
    client->set_proxy(proxy->host, proxy->port);
    if (!proxy->user.empty()) client->set_proxy_basic_auth(proxy->user, proxy->password);
    client->set_no_proxy(proxy->excepted);
  }
  return client;
}

std::string transfer_problem(httplib::Error error, const std::string& broken_off) {
  switch (error) {
    case httplib::Error::Connection:
      return "no connection could be made";
    case httplib::Error::ConnectionTimeout:
      return "no connection within the time allowed";
    case httplib::Error::Read:
    case httplib::Error::ConnectionClosed:
    case httplib::Error::Timeout:
      return broken_off;
    case httplib::Error::SSLConnection:
      return "no TLS connection could be made";
    case httplib::Error::ProxyConnection:
      return "the proxy made no connection";
    default:
      return fmt::format("the transfer failed ({})", httplib::to_string(error));
  }
}

void refuse_bad_certificate(httplib::Error error, const std::string& where, const std::string& ca_option) {
  const bool untrusted = error == httplib::Error::SSLServerVerification;
  if (!untrusted && error != httplib::Error::SSLServerHostnameVerification) return;
  throw Error::input(
      {.where = where,
       .found = untrusted
                    ? "the server's certificate is not signed by anyone who is trusted here, or not valid now"
                    : "the server's certificate is for another host",
       .fix = fmt::format("With a private certificate authority, {}.", ca_option)});
}

}  // namespace lora
