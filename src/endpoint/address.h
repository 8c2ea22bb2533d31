// Where an endpoint is: the base URL of an OpenAI-compatible server, http or https, as the user wrote it.
#pragma once

#include <string>
#include <string_view>

#include "hub/url.h"

namespace lora {

struct Address {
  bool https = true;
  Url url;  // of chat completions; its scheme is `https`'s, whatever Url::text() says

  // Without the query, which may hold a secret: for people, and for files.
  std::string shown() const;
  // This machine: a key may go there unencrypted.
  bool is_loopback() const;
};

// "https://api.example.com/v1" becomes the address of …/v1/chat/completions; one that ends so already is taken as it is.
// Errors: kInput when it is no http or https URL, or holds a user name or password.
Address chat_address(std::string_view base_url, const std::string& where);

}  // namespace lora
