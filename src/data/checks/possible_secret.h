// `possible-secret`: what looks like a key, token or password: a model that is trained on it can give it away. Known
// shapes of many providers, private key blocks, connection strings, assignments. Placeholders are left alone; the examples
// of documentation and what looks made up are notes, where they are few. Never prints a whole secret.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data/checks/check.h"
#include "data/checks/invented.h"

namespace lora {

std::unique_ptr<DataCheck> make_possible_secret_check();

struct FoundSecret {
  size_t offset = 0, length = 0;  // of the secret itself, in bytes
  std::string kind;               // "an AWS access key", "a password in a URL"
};
// The first one at or after `from`.
std::optional<FoundSecret> find_secret(std::string_view text, size_t from = 0,
                                       Invented invented = Invented::kNo);

}  // namespace lora
