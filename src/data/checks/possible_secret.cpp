#include "data/checks/possible_secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/checks/each_text.h"
#include "data/plain_text.h"

namespace lora {
namespace {

bool is_token_character(char c) {
  return is_ascii_letter(c) || is_ascii_digit(c) || c == '_' || c == '-';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

double entropy(std::string_view text) {  // bits a character
  std::array<size_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const size_t n : counts) {
    if (n == 0) continue;
    const double p = static_cast<double>(n) / static_cast<double>(text.size());
    bits -= p * std::log2(p);
  }
  return bits;
}

// "xxxx", "1234567890", "abcdef", "YOUR_API_KEY", "…EXAMPLE": what nobody could log in with.
bool is_placeholder(std::string_view secret) {
  constexpr std::array<std::string_view, 30> kWords{
      "example",     "your",     "xxxx",    "placeholder", "changeme", "change_me", "redacted",  "dummy",
      "sample",      "insert",   "replace", "fake",        "mysecret", "my_secret", "my-secret", "mypassword",
      "my_password", "testtest", "notreal", "not_real",    "0000000",  "1111111",   "aaaaaaa",   "-here",
      "_here",       "api_key",  "apikey",  "secret_key",  "deadbeef", "<"};
  const std::string folded = lower(secret);
  if (std::ranges::any_of(kWords, [&](std::string_view w) { return folded.find(w) != std::string::npos; }))
    return true;
  size_t runs = 0;
  for (size_t i = 1; i < secret.size(); ++i) {
    const int step = secret[i] - secret[i - 1];
    runs += step == 0 || step == 1;
  }
  return runs * 2 > secret.size();
}

// "<your key>", "xxxx": what does not even look like one.
bool is_blank_form(std::string_view secret) {
  constexpr std::array<std::string_view, 14> kWords{
      "your",    "xxxx",  "placeholder", "changeme", "change_me",  "redact", "insert",
      "replace", "-here", "_here",       "api_key",  "secret_key", "****",   "<"};
  const std::string folded = lower(secret);
  return std::ranges::any_of(kWords, [&](std::string_view w) { return folded.find(w) != std::string::npos; });
}

// Not to be spoken of: what nobody could log in with, or, when invented ones are wanted, what has not even their form.
bool is_no_secret(std::string_view secret, Invented invented) {
  return invented == Invented::kToo ? is_blank_form(secret) : is_placeholder(secret);
}

bool has_letters_and_digits(std::string_view text) {
  return std::ranges::any_of(text, is_ascii_digit) && std::ranges::any_of(text, is_ascii_letter);
}

bool has_both_cases(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; }) &&
         std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

struct Shape {
  std::string_view prefix;
  size_t least;  // characters behind the prefix
  std::string_view kind;
};
// Prefixes as the providers document them; lengths are lower bounds.
constexpr std::array kShapes{
    Shape{"AKIA", 16, "an AWS access key"},
    Shape{"ASIA", 16, "an AWS access key"},
    Shape{"ghp_", 30, "a GitHub token"},
    Shape{"gho_", 30, "a GitHub token"},
    Shape{"ghu_", 30, "a GitHub token"},
    Shape{"ghs_", 30, "a GitHub token"},
    Shape{"ghr_", 30, "a GitHub token"},
    Shape{"github_pat_", 30, "a GitHub token"},
    Shape{"glpat-", 20, "a GitLab token"},
    Shape{"sk-", 20, "an API key"},
    Shape{"sk_live_", 16, "a Stripe key"},
    Shape{"rk_live_", 16, "a Stripe key"},
    Shape{"sk_test_", 16, "a Stripe test key"},
    Shape{"whsec_", 20, "a webhook secret"},
    Shape{"xoxb-", 20, "a Slack token"},
    Shape{"xoxp-", 20, "a Slack token"},
    Shape{"xoxa-", 20, "a Slack token"},
    Shape{"xoxr-", 20, "a Slack token"},
    Shape{"xoxs-", 20, "a Slack token"},
    Shape{"xapp-", 20, "a Slack token"},
    Shape{"AIza", 30, "a Google API key"},
    Shape{"ya29.", 30, "a Google OAuth token"},
    Shape{"GOCSPX-", 20, "a Google client secret"},
    Shape{"hf_", 30, "a Hugging Face token"},
    Shape{"npm_", 30, "an npm token"},
    Shape{"pypi-AgE", 30, "a PyPI token"},
    Shape{"SG.", 40, "a SendGrid key"},
    Shape{"dop_v1_", 40, "a DigitalOcean token"},
    Shape{"shpat_", 30, "a Shopify token"},
    Shape{"dckr_pat_", 20, "a Docker token"},
    Shape{"hvs.", 24, "a Vault token"},
    Shape{"glsa_", 30, "a Grafana token"},
    Shape{"nvapi-", 40, "an NVIDIA API key"},
    Shape{"gsk_", 40, "a Groq key"},
    Shape{"r8_", 30, "a Replicate token"},
    Shape{"xkeysib-", 40, "a Brevo key"},
    Shape{"lin_api_", 30, "a Linear key"},
    Shape{"figd_", 30, "a Figma token"},
    Shape{"ATATT3", 40, "an Atlassian token"},
    Shape{"sq0atp-", 20, "a Square token"},
    Shape{"sq0csp-", 30, "a Square secret"},
    Shape{"EAACEdEose0cBA", 20, "a Facebook token"},
    Shape{"key-", 32, "an API key"},
};

size_t token_end(std::string_view text, size_t from, std::string_view more = "") {
  while (from < text.size() &&
         (is_token_character(text[from]) || more.find(text[from]) != std::string_view::npos))
    ++from;
  return from;
}

bool starts_word(std::string_view text, size_t at) {
  return at == 0 || !is_token_character(text[at - 1]);
}

std::optional<FoundSecret> at_prefix(std::string_view text, size_t at, Invented invented) {
  for (const Shape& shape : kShapes) {
    if (!text.substr(at).starts_with(shape.prefix)) continue;
    const size_t end =
        token_end(text, at + shape.prefix.size(),
                  shape.prefix == "SG." || shape.prefix == "ya29." || shape.prefix == "hvs." ? "." : "");
    const std::string_view body = text.substr(at + shape.prefix.size(), end - at - shape.prefix.size());
    // Hugging Face writes letters alone; of both cases, as no word is written.
    const bool mixed = shape.prefix == "hf_"        ? has_both_cases(body)
                       : invented == Invented::kToo ? shape.prefix != "sk-" || has_letters_and_digits(body)
                                                    : has_letters_and_digits(body);
    if (body.size() < shape.least || is_no_secret(body, invented) || !mixed ||
        entropy(body) < (invented == Invented::kToo ? 2 : 3))
      continue;
    if (shape.prefix.starts_with("A") && shape.prefix.size() == 4 && shape.prefix != "AIza" &&
        (body.size() > 20 || std::ranges::any_of(body, [](char c) { return c >= 'a' && c <= 'z'; })))
      continue;
    // "sk-" and "key-" begin many a slug: words joined by hyphens, with few digits and no capitals.
    if (shape.prefix == "key-" &&
        !std::ranges::all_of(body, [](char c) { return is_ascii_digit(c) || (c >= 'a' && c <= 'f'); }))
      continue;
    if (shape.prefix == "sk-" && entropy(body) < 3.5) continue;
    if (shape.prefix == "sk-" && std::ranges::count(body, '-') * 5 > static_cast<std::ptrdiff_t>(body.size()))
      continue;
    return FoundSecret{at, end - at, std::string(shape.kind)};
  }
  return std::nullopt;
}

// eyJ….eyJ….signature
std::optional<FoundSecret> at_jwt(std::string_view text, size_t at, Invented invented) {
  if (!text.substr(at).starts_with("eyJ")) return std::nullopt;
  const size_t end = token_end(text, at, ".");
  const std::string_view token = text.substr(at, end - at);
  const size_t dot = token.find('.'), second = dot == std::string_view::npos ? dot : token.find('.', dot + 1);
  if (second == std::string_view::npos || !token.substr(dot + 1).starts_with("eyJ") ||
      token.size() - second < 20)
    return std::nullopt;
  if (token.substr(0, dot).size() < 12 || is_no_secret(token.substr(second + 1), invented))
    return std::nullopt;
  // The token that explains JWTs everywhere: {"sub":"1234567890","name":"John Doe",…}
  if (invented == Invented::kNo &&
      token.find("eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9l") != std::string_view::npos)
    return std::nullopt;
  return FoundSecret{at, token.size(), "a signed token (JWT)"};
}

std::optional<FoundSecret> at_key_block(std::string_view text, size_t at, Invented invented) {
  const std::string_view here = text.substr(at);
  if (!here.starts_with("-----BEGIN ")) return std::nullopt;
  const size_t head = here.substr(0, 80).find("PRIVATE KEY");
  if (head == std::string_view::npos) return std::nullopt;
  const size_t dashes = here.find("-----", head);
  if (dashes == std::string_view::npos) return std::nullopt;
  std::string body;
  for (size_t i = dashes + 5; i < here.size() && body.size() < 64 && here[i] != '-' && here[i] != '.'; ++i)
    if (!is_blank(here[i]) && here[i] != '\\') body += here[i];
  // How the base64 of the usual kinds begins; a short piece of one is enough then.
  const bool known =
      std::ranges::any_of(std::array<std::string_view, 6>{"MII", "MHc", "MHQ", "b3Blbn", "lQ", "lI"},
                          [&](std::string_view w) { return body.starts_with(w); });
  if (invented == Invented::kToo) return FoundSecret{at, dashes + 5, "a private key"};
  if (body.size() < (known ? 8u : 16u) || (!known && !has_letters_and_digits(body)) ||
      is_no_secret(body, invented))
    return std::nullopt;
  return FoundSecret{at, dashes + 5, "a private key"};
}

// scheme://user:password@host
std::optional<FoundSecret> at_url(std::string_view text, size_t at, Invented invented) {
  if (!text.substr(at).starts_with("://")) return std::nullopt;
  size_t end = at + 3;
  while (end < text.size() && !is_blank(text[end]) && text[end] != '/' && text[end] != '"' &&
         text[end] != '\'' && text[end] != '`' && end - at < 200)
    ++end;
  const std::string_view authority = text.substr(at + 3, end - at - 3);
  const size_t sign = authority.rfind('@'), colon = authority.find(':');
  if (sign == std::string_view::npos || colon == std::string_view::npos || colon > sign) return std::nullopt;
  const std::string_view user = authority.substr(0, colon),
                         password = authority.substr(colon + 1, sign - colon - 1);
  const std::string folded = lower(password);
  constexpr std::array<std::string_view, 18> kNobodys{
      "password", "pass", "passwd", "pwd",    "secret", "postgres", "root",     "admin", "guest",
      "test",     "user", "token",  "mypass", "pw",     "passwort", "username", "key",   "db_password"};
  if (password.size() < (invented == Invented::kToo ? 4u : 5u) ||
      password.find_first_of("<>${}*[]") != std::string_view::npos || password == user ||
      is_no_secret(password, invented))
    return std::nullopt;
  if (invented == Invented::kNo && std::ranges::find(kNobodys, folded) != kNobodys.end()) return std::nullopt;
  const std::string_view host = authority.substr(sign + 1);
  if (invented == Invented::kNo &&
      (host.starts_with("example.") || host.find(".example") != std::string_view::npos))
    return std::nullopt;
  return FoundSecret{at + 3 + colon + 1, password.size(), "a password in a URL"};
}

// Bearer …, and names of secrets followed by ':' or '=' and a value.
std::optional<FoundSecret> at_assignment(std::string_view text, size_t at, Invented invented) {
  constexpr std::array<std::string_view, 22> kNames{
      "accountkey",  "sharedaccesskey", "password",     "passwort", "passwd",     "pwd",       "secret",
      "api_key",     "api-key",         "apikey",       "api key",  "access_key", "accesskey", "token",
      "private_key", "contraseña",      "mot de passe", "bearer",   "passphrase", "auth",      "kennwort",
      "senha"};
  std::string_view name;
  const std::string folded = lower(text.substr(at, 16));
  for (const std::string_view n : kNames)
    if (folded.starts_with(n)) {
      name = n;
      break;
    }
  if (name.empty()) return std::nullopt;
  size_t i = at + name.size();
  const bool bearer = name == "bearer";
  // "secret_access_key", "token_prod": the rest of the name.
  while (!bearer && i < text.size() && (is_ascii_letter(text[i]) || text[i] == '_') && i - at < 40) ++i;
  if (i < text.size() && (text[i] == '"' || text[i] == '\'')) ++i;
  size_t blanks = 0;
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) ++i, ++blanks;
  bool said = false;
  if (bearer) {
    if (blanks == 0) return std::nullopt;
  } else if (i < text.size() && (text[i] == '=' || text[i] == ':')) {
    ++i;
    if (i < text.size() && text[i] == '>') ++i;                  // Ruby, PHP: =>
    if (i < text.size() && text[i] == '=') return std::nullopt;  // a comparison
  } else if (text.substr(i).starts_with("is ") || text.substr(i).starts_with("est ") ||
             text.substr(i).starts_with("ist ") || text.substr(i).starts_with("es ") ||
             text.substr(i).starts_with("is: ") || text.substr(i).starts_with("ist: ") ||
             text.substr(i).starts_with("lautet ")) {
    said = true;
    i = text.find(' ', i) + 1;
    if (text.substr(i).starts_with("now ")) i += 4;
  } else {
    return std::nullopt;
  }
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) ++i;
  const char quote =
      i < text.size() && (text[i] == '"' || text[i] == '\'' || text[i] == '`') ? text[i] : '\0';
  if (quote != '\0') ++i;
  size_t end = i;
  while (end < text.size() && !is_blank(text[end]) && text[end] != '"' && text[end] != '\'' &&
         text[end] != '`' && text[end] != ',' && text[end] != ';' && end - i < 200)
    ++end;
  std::string_view value = text.substr(i, end - i);
  while (quote == '\0' && !value.empty() &&
         (value.back() == '.' || value.back() == ')' || value.back() == '!' || value.back() == '?'))
    value.remove_suffix(1);
  if (value.find_first_of("(){}<>[]$\\") != std::string_view::npos ||
      value.find("://") != std::string_view::npos)
    return std::nullopt;
  if (quote == '\0' && value.find('.') != std::string_view::npos && !bearer)
    return std::nullopt;  // code: config.value
  const bool password = name.starts_with("pass") || name == "pwd" || name == "contraseña" ||
                        name == "mot de passe" || name == "kennwort" || name == "senha";
  if (value.size() < (password ? (said ? 8u : 7u) : 16u)) return std::nullopt;
  if (is_no_secret(value, invented) || !has_letters_and_digits(value)) return std::nullopt;
  const std::string low = lower(value);
  for (const std::string_view w :
       {"password", "passw0rd", "p@ssw", "secret", "token", "test", "hunter2", "abc123", "qwerty", "letmein"})
    if (invented == Invented::kNo && low.find(w) != std::string::npos) return std::nullopt;
  if (invented == Invented::kNo && entropy(value) < (password ? 2.6 : 3.2)) return std::nullopt;
  return FoundSecret{i, value.size(), bearer ? "a bearer token" : password ? "a password" : "a key or token"};
}

// https://hooks.slack.com/services/T…/B…/…, and a bot token 123456789:AA…
std::optional<FoundSecret> at_other(std::string_view text, size_t at, Invented invented) {
  const std::string_view here = text.substr(at);
  if (here.starts_with("hooks.slack.com/services/T")) {
    const size_t end = token_end(text, at, "./");
    if (end - at >= 60 && !is_no_secret(text.substr(at + 25, end - at - 25), invented))
      return FoundSecret{at, end - at, "a Slack webhook"};
  }
  if (here.starts_with(":AA") && at >= 8) {
    size_t digits = at;
    while (digits > 0 && is_ascii_digit(text[digits - 1])) --digits;
    const size_t end = token_end(text, at + 1);
    if (at - digits >= 8 && at - digits <= 10 && end - at - 1 == 35 &&
        !is_no_secret(text.substr(at + 1, 35), invented))
      return FoundSecret{digits, end - digits, "a bot token"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<FoundSecret> find_secret(std::string_view text, size_t from, Invented invented) {
  // First characters of any of the shapes; the rest of a text is passed over quickly.
  constexpr auto kStarts = [] {
    std::array<bool, 256> starts{};
    for (const Shape& shape : kShapes) starts[static_cast<unsigned char>(shape.prefix[0])] = true;
    for (const char c : std::string_view("-:ehpPsSaAtTcCmMbBkK"))
      starts[static_cast<unsigned char>(c)] = true;
    return starts;
  }();
  for (size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (!kStarts[static_cast<unsigned char>(c)]) continue;
    if (c == '-') {
      if (const auto found = at_key_block(text, i, invented)) return found;
      continue;
    }
    if (c == ':') {
      if (const auto found = at_url(text, i, invented)) return found;
      if (const auto found = at_other(text, i, invented)) return found;
      continue;
    }
    if (!starts_word(text, i)) {
      // DB_PASSWORD=…
      if (text[i - 1] == '_' || text[i - 1] == '-')
        if (const auto found = at_assignment(text, i, invented)) return found;
      continue;
    }
    if (const auto found = at_prefix(text, i, invented)) return found;
    if (const auto found = at_jwt(text, i, invented)) return found;
    if (const auto found = at_assignment(text, i, invented)) return found;
    if (c == 'h')
      if (const auto found = at_other(text, i, invented)) return found;
  }
  return std::nullopt;
}

namespace {

class PossibleSecret : public DataCheck {
 public:
  void see(const Row& row, Findings& findings) override {
    ++rows_;
    each_text_(row, [&](size_t message, std::string_view text) {
      const auto any = find_secret(text, 0, Invented::kToo);
      if (!any) return;
      const auto found = find_secret(text);
      if (!found) {
        if (invented_.size() < kMostInvented)
          invented_.push_back({row.line, row.column(message, any->offset), any->kind});
        return;
      }
      const bool shown =
          found->length >= 16 && found->kind != "a password" && found->kind != "a password in a URL";
      findings.add("possible-secret", row.line, row.column(message, found->offset),
                   shown ? fmt::format("what looks like {}: {}… ({} characters)", found->kind,
                                       text.substr(found->offset, 4), found->length)
                         : fmt::format("what looks like {} ({} characters)", found->kind, found->length),
                   "Replace it by a placeholder, and make it invalid where it was used.");
    });
  }

  // Made-up ones do no harm. Where only a few rows hold one it may be a slip all the same; where many do, they are meant.
  void finish(const Reread&, Findings& findings) override {
    if (invented_.size() > std::max<size_t>(20, rows_ / 33)) return;
    for (const Place& p : invented_)
      findings.add("possible-secret", Severity::kNote, p.line, p.column,
                   fmt::format("what looks like {}, though a made-up one", p.kind),
                   "If it is one of yours, replace it and make it invalid where it was used.");
  }

 private:
  static constexpr size_t kMostInvented = 10'000;
  struct Place {
    size_t line, column;
    std::string kind;
  };
  std::vector<Place> invented_;
  size_t rows_ = 0;
  EachText each_text_;
};

}  // namespace

std::unique_ptr<DataCheck> make_possible_secret_check() {
  return std::make_unique<PossibleSecret>();
}

}  // namespace lora
