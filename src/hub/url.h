// URLs of https (RFC 3986), as far as a download needs them: taken apart, joined with a redirect's Location, encoded.
// Anything but https is refused here, so that no other file has to think of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lora {

struct Url {
  std::string host;  // lower case; an IPv6 address without its brackets
  uint16_t port = 443;
  std::string target;  // path and query, percent-encoded, beginning with "/"

  std::string text() const;  // "https://host/path?query"
  // What a person may see of it: without the query, which may hold a signature.
  std::string shown() const;
  bool same_origin(const Url& other) const { return host == other.host && port == other.port; }
};

// `where` names the source in errors ("--endpoint", "HF_ENDPOINT"). Errors: kInput when it is not an https URL, or holds
// a user name, a password, control characters or spaces.
Url parse_url(std::string_view text, const std::string& where);

// The target of a Location header of a response to `base`: absolute, without a scheme, with or without a leading "/".
// Errors: kInput when it leads away from https, naming both.
Url resolve_redirect(const Url& base, std::string_view location);

// A path below `base`'s (a "/" between them as needed); `path` is plain text, its segments are encoded. The query of
// `base` is dropped.
Url url_below(const Url& base, std::string_view path);

// Bytes other than unreserved characters as %XX; "/" too unless `keep_slashes`.
std::string percent_encoded(std::string_view text, bool keep_slashes);

}  // namespace lora
