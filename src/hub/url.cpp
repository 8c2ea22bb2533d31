#include "hub/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace lora {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& fix = {}) {
  throw Error::input(
      {.where = where, .found = found, .expected = "a URL such as https://host/path", .fix = fix});
}

bool is_unreserved(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
}

constexpr char kHex[] = "0123456789ABCDEF";

void append_encoded(std::string& out, char c) {
  const auto u = static_cast<unsigned char>(c);
  out += {'%', kHex[u >> 4], kHex[u & 15]};
}

// The rest of a URL, after the authority, as it goes into a request line.
std::string target_of(std::string_view text, const std::string& where) {
  const size_t fragment = text.find('#');
  text = text.substr(0, fragment);
  std::string target;
  if (text.empty() || text[0] == '?') target += '/';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u == 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
      refuse(where, "the URL holds a space, a control character or one of \\ \" < >",
             "Write such characters as %XX.");
    if (u >= 0x80)
      append_encoded(target, c);
    else
      target += c;
  }
  return target;
}

}  // namespace

std::string Url::text() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  std::string out = fmt::format("https://{}{}{}", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "");
  if (port != 443) out += fmt::format(":{}", port);
  return out + target;
}

std::string Url::shown() const {
  const std::string whole = text();
  return whole.substr(0, whole.find('?'));
}

Url parse_url(std::string_view text, const std::string& where) {
  constexpr std::string_view kScheme = "https://";
  if (starts_with_ignoring_case(text, "http://"))
    refuse(where, "the URL begins with http://, which anyone on the way can read and change", "Use https.");
  if (!starts_with_ignoring_case(text, kScheme)) refuse(where, "this is not an https URL");
  text.remove_prefix(kScheme.size());
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, end);
  Url url;
  url.target = target_of(text.substr(end), where);
  if (authority.find('@') != std::string_view::npos)
    refuse(where, "the URL holds a user name or password",
           "Put a token in the environment variable HF_TOKEN.");
  std::string_view host = authority, port;
  if (!authority.empty() && authority[0] == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) refuse(where, "the host's bracket is not closed");
    host = authority.substr(1, close - 1);
    const std::string_view rest = authority.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') refuse(where, "something follows the host's bracket");
    if (!rest.empty()) port = rest.substr(1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos ||
        host.find(':') == std::string_view::npos)
      refuse(where, "the host in brackets is no IPv6 address");
  } else {
    const size_t colon = authority.find(':');
    host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    const auto plain = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
    };
    if (host.empty() || !std::all_of(host.begin(), host.end(), plain))
      refuse(where, "the URL names no valid host");
  }
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
    refuse(where, "the port is not a number");
  if (!port.empty()) {
    const int number = std::stoi(std::string(port));
    if (number < 1 || number > 65535) refuse(where, "the port is out of range");
    url.port = static_cast<uint16_t>(number);
  }
  url.host = host;
  std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return url;
}

Url resolve_redirect(const Url& base, std::string_view location) {
  const std::string where = base.shown() + ": redirect";
  if (location.empty()) refuse(where, "it names no place");
  if (location.starts_with("//")) return parse_url(std::string("https:").append(location), where);
  const size_t colon = location.find(':'), slash = location.find_first_of("/?#");
  if (colon != std::string_view::npos && colon < slash) return parse_url(location, where);
  Url url = base;
  if (location[0] == '/') {
    url.target = target_of(location, where);
    return url;
  }
  const std::string path = base.target.substr(0, base.target.find('?'));
  const std::string folder = location[0] == '?' ? path : path.substr(0, path.rfind('/') + 1);
  url.target =
      folder + (location[0] == '?' ? target_of(location, where).substr(1) : target_of(location, where));
  return url;
}

Url url_below(const Url& base, std::string_view path) {
  Url url = base;
  url.target = base.target.substr(0, base.target.find('?'));
  while (url.target.ends_with('/')) url.target.pop_back();
  if (!path.starts_with('/')) url.target += '/';
  url.target += percent_encoded(path, true);
  return url;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || (c == '/' && keep_slashes))
      out += c;
    else
      append_encoded(out, c);
  }
  return out;
}

}  // namespace lora
