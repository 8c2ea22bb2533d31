#include "data/checks/possible_personal_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "data/checks/each_text.h"
#include "data/checks/identity_number.h"
#include "data/plain_text.h"

namespace lora {
namespace {

using Found = std::optional<FoundPersonalData>;

std::string digits_of(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (is_ascii_digit(c)) out += c;
  return out;
}

bool is_address_character(char c) {
  return is_ascii_letter(c) || is_ascii_digit(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

// RFC 2606 and 6761, and what stands for them.
bool is_reserved(const std::string& domain) {
  for (const std::string_view reserved :
       {".example", ".test", ".invalid", ".localhost", ".local", ".internal"})
    if (domain.ends_with(reserved)) return true;
  for (const std::string_view part :
       {"example", "yourdomain", "yourcompany", "mydomain", "mycompany", "placeholder", "acme"})
    if (domain.find(part) != std::string::npos) return true;
  for (const std::string_view whole :
       {"domain.com",  "company.com", "email.com",    "test.com",      "mail.com",
        "website.com", "host.com",    "server.com",   "foo.com",       "bar.com",
        "abc.com",     "xyz.com",     "site.com",     "corp.com",      "users.noreply.github.com",
        "sample.com",  "fake.com",    "anything.com", "somewhere.com", "git.com",
        "github.com",  "gitlab.com"})
    if (domain == whole) return true;
  return false;
}

Found email_at(std::string_view text, size_t at, Invented invented) {  // at the '@'
  size_t begin = at, end = at + 1;
  while (begin > 0 && is_address_character(text[begin - 1]) && at - begin < 64) --begin;
  while (begin < at && (text[begin] == '.' || text[begin] == '-' || text[begin] == '%')) ++begin;
  while (end < text.size() &&
         (is_ascii_letter(text[end]) || is_ascii_digit(text[end]) || text[end] == '.' || text[end] == '-'))
    ++end;
  while (end > at && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
  if (begin == at || end <= at + 3) return std::nullopt;
  if (begin >= 3 && text.substr(begin - 3, 3) == "://") return std::nullopt;
  if (begin > 0 && (text[begin - 1] == ':' || text[begin - 1] == '/') && begin > 1 &&
      !is_blank(text[begin - 2]) && text.substr(0, begin).rfind("://") != std::string_view::npos &&
      begin - text.substr(0, begin).rfind("://") < 60)
    return std::nullopt;  // user:password@host
  const std::string local = folded_text(text.substr(begin, at - begin)),
                    domain = folded_text(text.substr(at + 1, end - at - 1));
  const size_t dot = domain.rfind('.');
  if (dot == std::string::npos || dot == 0 || domain.size() - dot < 3 || domain.size() - dot > 12)
    return std::nullopt;
  if (!std::ranges::all_of(std::string_view(domain).substr(dot + 1), is_ascii_letter)) return std::nullopt;
  if (invented == Invented::kNo && is_reserved(domain)) return std::nullopt;
  if (domain == "git.com" || domain.ends_with("github.com") || domain == "gitlab.com") return std::nullopt;
  // An office, not a person.
  constexpr std::array<std::string_view, 44> kOffices{
      "info",      "support",      "contact",         "kontakt",      "sales",
      "help",      "hello",        "hallo",           "admin",        "office",
      "noreply",   "no-reply",     "service",         "team",         "press",
      "presse",    "jobs",         "careers",         "hr",           "billing",
      "orders",    "order",        "returns",         "feedback",     "newsletter",
      "marketing", "webmaster",    "postmaster",      "security",     "privacy",
      "legal",     "accounts",     "helpdesk",        "servicedesk",  "booking",
      "bookings",  "reservations", "customerservice", "customercare", "enquiries",
      "inquiries", "mail",         "contacto",        "git"};
  if (std::ranges::find(kOffices, local) != kOffices.end() || local.starts_with("your") || local == "user" ||
      local == "name" || local == "username" || local == "someone" || local == "email")
    return std::nullopt;
  return FoundPersonalData{begin, end - begin, PersonalData::kEmail};
}

bool luhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int d = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return sum % 10 == 0;
}

bool is_card(std::string_view run, std::string_view digits, Invented invented) {
  if (digits.size() < 13 || digits.size() > 19 || !luhn(digits)) return false;
  const int two = (digits[0] - '0') * 10 + (digits[1] - '0');
  const bool visa = digits[0] == '4' && (digits.size() == 13 || digits.size() == 16 || digits.size() == 19);
  const bool master = ((two >= 51 && two <= 55) || (two >= 22 && two <= 27)) && digits.size() == 16;
  const bool amex = (two == 34 || two == 37) && digits.size() == 15;
  const bool other = (digits.starts_with("6011") || two == 65 || two == 35 || digits.starts_with("62")) &&
                     digits.size() == 16;
  const bool diners = (two == 36 || two == 38 || two == 30) && digits.size() == 14;
  if (!visa && !master && !amex && !other && !diners) return false;
  // Groups as on a card, or none.
  std::vector<size_t> groups{0};
  for (const char c : run)
    if (is_ascii_digit(c))
      ++groups.back();
    else if (groups.back() > 0)
      groups.push_back(0);
  const bool grouped = groups.size() == 1 || (groups[0] == 4 && groups.size() >= 3 && groups.size() <= 5);
  // The cards of every payment documentation.
  for (const std::string_view test :
       {"4242424242424242", "4111111111111111", "5555555555554444", "5105105105105100", "378282246310005",
        "371449635398431", "6011111111111117", "6011000990139424", "4012888888881881", "4222222222222",
        "30569309025904", "38520000023237", "3530111333300000", "4000056655665556", "2223003122003222",
        "5200828282828210", "4000002500003155", "4000000000000002", "4000000000009995"})
    if (digits == test) return grouped && invented == Invented::kToo;
  return grouped && (invented == Invented::kToo || !is_made_up_number(digits));
}

// Words that say that a number is somebody's telephone.
bool has_phone_word(std::string_view before) {
  constexpr std::array<std::string_view, 32> kWords{
      "phone",     "telephone", "tel",      "tel.",     "call",    "ring",  "mobile",   "cell",
      "whatsapp",  "text me",   "fax",      "reach me", "telefon", "handy", "anrufen",  "rufen",
      "téléphone", "portable",  "appelez",  "teléfono", "móvil",   "llame", "telefone", "celular",
      "telefono",  "cellulare", "telefoon", "телефон",  "电话",    "電話",  "dial",     "sms"};
  const std::string folded = folded_text(before.substr(before.size() > 48 ? before.size() - 48 : 0));
  return std::ranges::any_of(kWords, [&](std::string_view w) { return contains_word(folded, w); });
}

// The way a number is written by itself: its groups of digits and what joins them, "ddd.ddd.dddd".
std::string number_shape(std::string_view run) {
  std::string shape(run);
  for (char& c : shape)
    if (is_ascii_digit(c)) c = 'd';
  return shape;
}

// 0171 5530274, 06 42 18 77 03, 07911 204518: a trunk prefix and groups, as no other number is written.
bool is_national(std::string_view run, const std::string& digits) {
  if (digits.size() < 10 || digits.size() > 12 || run[0] != '0' || run.size() < 2 || run[1] == '0')
    return false;
  const std::string shape = number_shape(run);
  if (shape == "dd dd dd dd dd" || shape == "dd.dd.dd.dd.dd" || shape == "dd-dd-dd-dd-dd") return true;
  const size_t first = shape.find_first_not_of('d');
  if (first == std::string::npos || first < 3 || first > 5) return false;
  return std::ranges::all_of(shape, [](char c) { return c == 'd' || c == ' ' || c == '/' || c == '-'; }) &&
         shape.find("  ") == std::string::npos &&
         std::ranges::count_if(shape, [](char c) { return c != 'd'; }) <= 3;
}

bool is_phone(std::string_view text, size_t begin, std::string_view run, const std::string& digits,
              Invented invented) {
  const bool refuse_invented = invented == Invented::kNo;
  if (digits.size() < 7 || digits.size() > 15 || (refuse_invented && is_made_up_number(digits))) return false;
  const bool international = run[0] == '+' || (run.starts_with("00") && digits.size() >= 11);
  size_t groups = 1, longest = 0, length = 0;
  for (const char c : run) {
    if (is_ascii_digit(c))
      longest = std::max(longest, ++length);
    else if (length > 0)
      ++groups, length = 0;
  }
  const std::string national = digits.size() == 11 && digits[0] == '1' ? digits.substr(1) : digits;
  const bool american = national.size() == 10 && (international ? digits[0] == '1' : true);
  if (refuse_invented && american &&
      (national.substr(3, 3) == "555" || national.substr(0, 3) == "555" || national.substr(0, 3) == "000"))
    return false;
  if (refuse_invented && digits.size() == 7 && digits.starts_with("555")) return false;
  if (refuse_invented && (digits.find("55501") != std::string::npos || digits.find("5550") == 0))
    return false;
  if (international)
    return digits.size() >= 9 && run[0] == '+' ? true : has_phone_word(text.substr(0, begin));
  const bool area_code = number_shape(run).starts_with("(ddd)");  // "(156.0" begins a version
  const bool american_shape =
      national.size() == 10 && groups >= 3 && longest == 4 && national[0] >= '2' &&
      (national[3] >= '2' || !refuse_invented) &&
      (run.find('-') != std::string_view::npos || area_code || number_shape(run) == "ddd.ddd.dddd");
  if (american_shape) return has_phone_word(text.substr(0, begin)) || area_code || groups == 3;
  if (!refuse_invented && number_shape(run) == "ddd-dddd" && digits.starts_with("555")) return true;
  const bool inside = begin >= 2 && !is_ascii_letter(text[begin - 1]) && is_ascii_digit(text[begin - 2]);
  if (!inside && is_national(run, digits)) return true;  // not the rest of a longer number
  return has_phone_word(text.substr(0, begin)) && digits.size() >= 8 &&
         run.find('.') == std::string_view::npos && (run[0] == '0' || run[0] == '(' || groups >= 3);
}

Found number_at(std::string_view text, size_t at,
                Invented invented) {  // at the first character of a run of digits and what joins them
  size_t end = at;
  size_t last = at;
  while (end < text.size() && end - at < 40) {
    const char c = text[end];
    if (is_ascii_digit(c))
      last = end;
    else if (c == '+' ? end != at : (c != ' ' && c != '-' && c != '.' && c != '(' && c != ')' && c != '/'))
      break;
    else if (end > last + 2)
      break;
    ++end;
  }
  const std::string_view run = text.substr(at, last + 1 - at);
  const std::string digits = digits_of(run);
  const auto found = [&](PersonalData kind) { return FoundPersonalData{at, run.size(), kind}; };
  if (run[0] != '(' && run[0] != '+')
    if (const size_t length = identity_number_at(text, at, invented))
      return FoundPersonalData{at, length, PersonalData::kIdentityNumber};
  if (last + 1 < text.size() && (is_ascii_letter(text[last + 1]) || text[last + 1] == '_'))
    return std::nullopt;
  if (run[0] != '(' && run[0] != '+') {
    if (is_card(run, digits, invented)) return found(PersonalData::kCard);
  }
  if (is_phone(text, at, run, digits, invented)) return found(PersonalData::kPhone);
  return std::nullopt;
}

// Lengths of the IBAN registry.
size_t iban_length(std::string_view country) {
  constexpr std::array<std::pair<std::string_view, size_t>, 46> kLengths{
      {{"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BR", 29},
       {"CH", 21}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"EE", 20}, {"ES", 24}, {"FI", 18},
       {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GR", 27}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23},
       {"IS", 26}, {"IT", 27}, {"KW", 30}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"MC", 27},
       {"MD", 24}, {"MT", 31}, {"NL", 18}, {"NO", 15}, {"PL", 28}, {"PT", 25}, {"QA", 29}, {"RO", 24},
       {"RS", 22}, {"SA", 24}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"TR", 26}}};
  for (const auto& [code, length] : kLengths)
    if (code == country) return length;
  return 0;
}

Found iban_at(std::string_view text, size_t at) {
  const size_t length = iban_length(text.substr(at, 2));
  if (length == 0 || at + 4 > text.size() || !is_ascii_digit(text[at + 2]) || !is_ascii_digit(text[at + 3]))
    return std::nullopt;
  std::string iban;
  size_t end = at;
  for (; end < text.size() && iban.size() < length; ++end) {
    const char c = text[end];
    if (is_ascii_digit(c) || (c >= 'A' && c <= 'Z'))
      iban += c;
    else if (c != ' ' && c != '-')
      break;
  }
  if (iban.size() != length ||
      (end < text.size() && (is_ascii_letter(text[end]) || is_ascii_digit(text[end]))))
    return std::nullopt;
  unsigned remainder = 0;  // ISO 7064, mod 97-10
  for (size_t i = 0; i < length; ++i) {
    const char c = iban[(i + 4) % length];
    remainder = is_ascii_digit(c) ? (remainder * 10 + static_cast<unsigned>(c - '0')) % 97
                                  : (remainder * 100 + static_cast<unsigned>(c - 'A' + 10)) % 97;
  }
  if (remainder != 1) return std::nullopt;
  return FoundPersonalData{at, end - at, PersonalData::kIban};
}

constexpr std::array<std::string_view, kPersonalDataKinds> kKindNames{
    "an e-mail address", "a telephone number", "a bank account (IBAN)", "a card number",
    "an identity number"};

class PossiblePersonalData : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    ++rows_;
    std::array<bool, kPersonalDataKinds> had{}, had_invented{};
    each_text_(row, [&](size_t message, std::string_view text) {
      for (size_t from = 0;;) {
        auto found = find_personal_data(text, from, Invented::kToo);
        if (!found) return;
        const auto real = find_personal_data(text, from);
        const bool is_real = real && real->offset < found->offset + found->length;
        if (is_real) found = real;
        from = found->offset + found->length;
        const auto kind = static_cast<size_t>(found->kind);
        if (!is_real) {
          if (!had_invented[kind] && invented_[kind].size() < kMostInvented)
            invented_[kind].push_back({row.line, row.column(message, found->offset), {}});
          invented_rows_[kind] += !had_invented[kind];
          had_invented[kind] = true;
          continue;
        }
        if (had[kind]) continue;
        had[kind] = true;
        ++counts_[kind];
        if (places_[kind].size() < Findings::kMostPerCode)
          places_[kind].push_back(
              {row.line, row.column(message, found->offset),
               std::string(text.substr(found->offset, found->kind == PersonalData::kEmail ? 2 : 3))});
      }
    });
  }

  void finish(const Reread&, Findings& findings) override {
    for (size_t kind = 0; kind < kPersonalDataKinds; ++kind) {
      // Made-up data does no harm; where it is frequent it is there on purpose.
      if (invented_rows_[kind] <= std::max<size_t>(5, rows_ / 33))
        for (const Place& p : invented_[kind])
          findings.add("possible-personal-data", Severity::kNote, p.line, p.column,
                       fmt::format("what looks like {}, though a made-up one", kKindNames[kind]),
                       "If it is somebody's after all, replace it.");
      const size_t n = counts_[kind];
      if (n == 0) continue;
      const bool subject = n > 20 && n * 5 > rows_;        // what the data is about
      const bool frequent = n > 5 && n * 100 > 3 * rows_;  // hardly an accident
      for (size_t i = 0; i < places_[kind].size(); ++i) {
        const Place& p = places_[kind][i];
        std::string words = fmt::format("what looks like {} (\"{}…\")", kKindNames[kind], p.begins);
        if (i == 0 && frequent)
          words = fmt::format("{} of {} rows hold what looks like {}; this is the first", n, rows_,
                              kKindNames[kind]);
        findings.add("possible-personal-data", i == 0 || !frequent ? Severity::kWarning : Severity::kNote,
                     p.line, p.column, std::move(words),
                     kind == 0
                         ? "Unless it is invented, replace it (a domain such as example.com is nobody's)."
                         : "Unless it is invented, replace it by one that is.");
        if (subject) break;
      }
    }
  }

 private:
  static constexpr size_t kMostInvented = 100;
  struct Place {
    size_t line, column;
    std::string begins;
  };
  EachText each_text_;
  size_t rows_ = 0;
  std::array<size_t, kPersonalDataKinds> counts_{};
  std::array<std::vector<Place>, kPersonalDataKinds> places_, invented_;
  std::array<size_t, kPersonalDataKinds> invented_rows_{};
};

}  // namespace

std::optional<FoundPersonalData> find_personal_data(std::string_view text, size_t from, Invented invented) {
  for (size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '@') {
      if (auto found = email_at(text, i, invented); found && found->offset >= from) return found;
      continue;
    }
    const bool free =
        i == 0 || !(is_ascii_letter(text[i - 1]) || is_ascii_digit(text[i - 1]) || text[i - 1] == '_');
    if (!free) continue;
    const bool after_sign =
        i > 0 && (text[i - 1] == '+' || text[i - 1] == '.' || text[i - 1] == '-' || text[i - 1] == '(' ||
                  text[i - 1] == '/' || text[i - 1] == '#' || text[i - 1] == ',');
    if ((is_ascii_digit(c) && !after_sign) ||
        ((c == '+' || c == '(') && i + 1 < text.size() && is_ascii_digit(text[i + 1]))) {
      if (auto found = number_at(text, i, invented)) return found;
      if (c == '(')  // around a whole number rather than its first digits
        if (auto found = number_at(text, i + 1, invented)) return found;
      // Past this number, not into it.
      while (i + 1 < text.size() && is_ascii_digit(text[i + 1])) ++i;
    } else if (c >= 'A' && c <= 'Z') {
      if (auto found = iban_at(text, i)) return found;
      if (const size_t length = identity_number_at(text, i, invented))
        return FoundPersonalData{i, length, PersonalData::kIdentityNumber};
    }
  }
  return std::nullopt;
}

std::unique_ptr<DataCheck> make_possible_personal_data_check() {
  return std::make_unique<PossiblePersonalData>();
}

}  // namespace lora
