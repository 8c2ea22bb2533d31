// The proxy that the environment names (https_proxy, http_proxy, all_proxy, no_proxy), read as curl and Python read it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lora {

struct Proxy {
  std::string host, user, password;
  int port = 80;
  std::vector<std::string> excepted = {};  // no_proxy: hosts that are asked directly
};

// The proxy for requests over https, or over plain http. HTTP_PROXY in capitals is not read: a web server may have set it
// from a request's header. Errors: kInput when its value is not http://[user:password@]host[:port]; the value itself is
// never shown.
std::optional<Proxy> proxy_from_environment(bool https);

}  // namespace lora
