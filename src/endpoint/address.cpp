#include "endpoint/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace lora {
namespace {

bool has_scheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), text.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

}  // namespace

std::string Address::shown() const {
  std::string text = url.shown();
  if (https) return text;
  const bool is_ipv6 = url.host.find(':') != std::string::npos;
  const std::string host = is_ipv6 ? "[" + url.host + "]" : url.host;
  const std::string path = url.target.substr(0, url.target.find('?'));
  return fmt::format("http://{}{}{}", host, url.port == 80 ? "" : fmt::format(":{}", url.port), path);
}

bool Address::is_loopback() const {
  return url.host == "localhost" || url.host == "::1" || url.host.starts_with("127.");
}

Address chat_address(std::string_view base_url, const std::string& where) {
  constexpr std::string_view kPath = "/chat/completions";
  const bool https = has_scheme(base_url, "https://");
  if (!https && !has_scheme(base_url, "http://"))
    throw Error::input({.where = where,
                        .found = "this is no http or https URL",
                        .expected = "a URL such as https://host/v1"});
  std::string rest(base_url.substr(https ? 8 : 7));
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string authority = rest.substr(0, end);
  if (authority.find('@') != std::string::npos)
    throw Error::input({.where = where,
                        .found = "the URL holds a user name or password",
                        .fix = "Put the key in an environment variable and name it in api_key_env."});
  const size_t bracket = authority.rfind(']');
  const bool names_port =
      authority.find(':', bracket == std::string::npos ? 0 : bracket) != std::string::npos;
  if (!https && !names_port) rest.insert(end, ":80");
  Address address{https, parse_url("https://" + rest, where)};
  std::string& target = address.url.target;
  const size_t question = target.find('?');
  std::string path = target.substr(0, question);
  while (path.ends_with('/')) path.pop_back();
  if (!path.ends_with(kPath)) path += kPath;
  target = path + (question == std::string::npos ? "" : target.substr(question));
  return address;
}

}  // namespace lora
