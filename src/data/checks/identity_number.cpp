#include "data/checks/identity_number.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "data/plain_text.h"

namespace lora {
namespace {

bool is_capital(char c) {
  return c >= 'A' && c <= 'Z';
}

// Digits, with single blanks, dots or hyphens between them. `digits` gets them bare.
std::string_view run_at(std::string_view text, size_t at, std::string& digits) {
  size_t end = at, last = at;
  for (; end < text.size() && end - at < 30; ++end) {
    const char c = text[end];
    if (is_ascii_digit(c)) {
      digits += c;
      last = end + 1;
    } else if ((c != ' ' && c != '-' && c != '.') || end == at || end != last) {
      break;
    }
  }
  return text.substr(at, last - at);
}

bool ends_word(std::string_view text, size_t end) {
  return end >= text.size() || !(is_ascii_letter(text[end]) || is_ascii_digit(text[end]) || text[end] == '_');
}

bool is_ssn(std::string_view d, Invented invented) {
  return d.size() == 9 && !d.starts_with("000") && !d.starts_with("666") && d[0] != '9' &&
         d.substr(3, 2) != "00" && d.substr(5) != "0000" &&
         (invented == Invented::kToo || (d != "078051120" && d != "219099999" && !is_made_up_number(d)));
}

bool is_cpf(std::string_view d) {
  if (d.size() != 11 || std::ranges::all_of(d, [&](char c) { return c == d[0]; })) return false;
  for (size_t n = 9; n < 11; ++n) {
    size_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<size_t>(d[i] - '0') * (n + 1 - i);
    if (sum * 10 % 11 % 10 != static_cast<size_t>(d[n] - '0')) return false;
  }
  return d != "12345678909";
}

// France: sex, year, month, place of birth, number, key.
bool is_nir(std::string_view d) {
  if (d.size() != 15 || (d[0] != '1' && d[0] != '2') || is_made_up_number(d)) return false;
  uint64_t number = 0;
  for (size_t i = 0; i < 13; ++i) number = number * 10 + static_cast<uint64_t>(d[i] - '0');
  const int month = (d[3] - '0') * 10 + (d[4] - '0');
  return month >= 1 && month <= 12 &&
         97 - number % 97 == static_cast<uint64_t>((d[13] - '0') * 10 + (d[14] - '0'));
}

// A word within the few before a number says what it is.
bool is_named(std::string_view before, size_t digits) {
  struct Name {
    std::string_view word;
    size_t least, most;
  };
  constexpr std::array kNames{
      Name{"ssn", 9, 9},
      Name{"social security", 9, 9},
      Name{"social insurance", 9, 9},
      Name{"aadhaar", 12, 12},
      Name{"steuer-id", 11, 11},
      Name{"identifikationsnummer", 11, 11},
      Name{"pesel", 11, 11},
      Name{"burgerservicenummer", 9, 9},
      Name{"bsn", 9, 9},
      Name{"personnummer", 10, 12},
      Name{"passport", 7, 9},
      Name{"reisepassnummer", 7, 9},
      Name{"passeport", 7, 9},
      Name{"pasaporte", 7, 9},
      Name{"driver's license", 7, 9},
      Name{"ahv", 13, 13},
      Name{"cpf", 11, 11},
      Name{"nhs number", 10, 10},
  };
  const std::string folded = folded_text(before.substr(before.size() > 40 ? before.size() - 40 : 0));
  return std::ranges::any_of(kNames, [&](const Name& n) {
    return digits >= n.least && digits <= n.most && contains_word(folded, n.word);
  });
}

size_t digits_first(std::string_view text, size_t at, Invented invented) {
  std::string digits;
  const std::string_view run = run_at(text, at, digits);
  const size_t end = at + run.size();
  // 12345678Z: eight digits and the letter that their remainder asks for.
  if (digits.size() == 8 && run.size() == 8 && !is_made_up_number(digits)) {
    const size_t letter = end < text.size() && text[end] == '-' ? end + 1 : end;
    constexpr std::string_view kLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
    if (letter < text.size() && text[letter] == kLetters[std::stoul(digits) % 23] &&
        ends_word(text, letter + 1))
      return letter + 1 - at;
  }
  if (!ends_word(text, end)) return 0;
  const bool hyphens = run.size() == 11 && run[3] == '-' && run[6] == '-';
  if (hyphens && is_ssn(digits, invented)) return run.size();
  if (run.size() == 14 && run[3] == '.' && run[7] == '.' && run[11] == '-' && is_cpf(digits))
    return run.size();
  if (is_nir(digits)) return run.size();
  if (digits.size() < 7 || (invented == Invented::kNo && is_made_up_number(digits)) ||
      !is_named(text.substr(0, at), digits.size()))
    return 0;
  if (invented == Invented::kNo && (digits == "219099999" || digits == "078051120")) return 0;
  return run.size();
}

size_t letters_first(std::string_view text, size_t at) {
  const auto matches = [&](std::string_view shape) {  // A: a capital, 0: a digit, blank: a blank
    if (at + shape.size() > text.size() || !ends_word(text, at + shape.size())) return false;
    for (size_t i = 0; i < shape.size(); ++i) {
      const char c = text[at + i];
      if (shape[i] == 'A' ? !is_capital(c) : shape[i] == '0' ? !is_ascii_digit(c) : c != shape[i])
        return false;
    }
    return true;
  };
  if (matches("AAAAAA00A00A000A") &&
      std::string_view("ABCDEHLMPRST").find(text[at + 8]) != std::string_view::npos)
    return 16;  // codice fiscale
  if (matches("A0000000A") && std::string_view("XYZ").find(text[at]) != std::string_view::npos) {
    constexpr std::string_view kLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
    const std::string digits =
        std::string(1, static_cast<char>('0' + (text[at] - 'X'))).append(text.substr(at + 1, 7));
    if (!is_made_up_number(digits) && text[at + 8] == kLetters[std::stoul(digits) % 23]) return 9;
  }
  const bool spaced = matches("AA 00 00 00 A"), bare = matches("AA000000A");
  if (spaced || bare) {  // national insurance; QQ is nobody's
    std::string digits;
    for (size_t i = 2; i < (spaced ? 12u : 8u); ++i)
      if (is_ascii_digit(text[at + i])) digits += text[at + i];
    const bool prefix = std::string_view("DFIQUV").find(text[at]) == std::string_view::npos &&
                        std::string_view("DFIQUVO").find(text[at + 1]) == std::string_view::npos;
    const char last = text[at + (spaced ? 12 : 8)];
    const std::string folded = folded_text(text.substr(at > 40 ? at - 40 : 0, std::min<size_t>(at, 40)));
    const bool named =
        contains_word(folded, "insurance") || contains_word(folded, "nino") || contains_word(folded, "ni");
    if (prefix && last <= 'D' && !is_made_up_number(digits) && (spaced || named)) return spaced ? 13 : 9;
  }
  // A passport: one or two letters and digits behind the word.
  const size_t first_digit = at + 1 < text.size() && is_capital(text[at + 1]) ? at + 2 : at + 1;
  std::string digits;
  const std::string_view run = run_at(text, first_digit, digits);
  if (digits.size() >= 6 && digits.size() <= 8 && run.size() == digits.size() &&
      ends_word(text, first_digit + run.size()) && !is_made_up_number(digits) &&
      is_named(text.substr(0, at), digits.size() + 1))
    return first_digit + run.size() - at;
  return 0;
}

}  // namespace

bool is_made_up_number(std::string_view digits) {
  size_t runs = 0;
  for (size_t i = 1; i < digits.size(); ++i) {
    const int step = digits[i] - digits[i - 1];
    runs += step == 0 || step == 1 || step == -9;
  }
  return digits.size() < 2 || runs * 10 >= (digits.size() - 1) * 7;
}

size_t identity_number_at(std::string_view text, size_t at, Invented invented) {
  if (at >= text.size()) return 0;
  if (is_ascii_digit(text[at])) return digits_first(text, at, invented);
  return is_capital(text[at]) ? letters_first(text, at) : 0;
}

}  // namespace lora
