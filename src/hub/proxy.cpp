#include "hub/proxy.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "base/error.h"

namespace lora {
namespace {

struct Variable {
  std::string name, value;
};

Variable first_set(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value && *value) return {name, value};
  return {};
}

std::vector<std::string> excepted_hosts() {
  const std::string text = first_set({"no_proxy", "NO_PROXY"}).value;
  std::vector<std::string> hosts;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find_first_of(", ", begin), text.size());
    if (end > begin) hosts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return hosts;
}

bool is_http(std::string scheme) {
  for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return scheme == "http";
}

}  // namespace

std::optional<Proxy> proxy_from_environment(bool https) {
  const Variable variable = https ? first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                                  : first_set({"http_proxy", "all_proxy", "ALL_PROXY"});
  std::string text = variable.value;
  if (text.empty()) return std::nullopt;
  const auto refuse = [&] {
    throw Error::input({.where = "environment variable " + variable.name,
                        .found = "its value cannot be used",
                        .expected = "http://host:port, or http://user:password@host:port",
                        .fix = "Mend it, or unset it."});
  };
  if (const size_t scheme = text.find("://"); scheme != std::string::npos) {
    if (!is_http(text.substr(0, scheme))) refuse();
    text.erase(0, scheme + 3);
  }
  while (text.ends_with('/')) text.pop_back();
  Proxy proxy;
  if (const size_t at = text.rfind('@'); at != std::string::npos) {
    const std::string credentials = text.substr(0, at);
    const size_t colon = credentials.find(':');
    proxy.user = credentials.substr(0, colon);
    if (colon != std::string::npos) proxy.password = credentials.substr(colon + 1);
    text.erase(0, at + 1);
  }
  if (const size_t colon = text.rfind(':'); colon != std::string::npos) {
    const std::string port = text.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos)
      refuse();
    proxy.port = std::stoi(port);
    text.erase(colon);
  }
  if (text.empty()) refuse();
  proxy.host = text;
  proxy.excepted = excepted_hosts();
  return proxy;
}

}  // namespace lora
