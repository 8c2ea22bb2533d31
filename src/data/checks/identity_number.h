// Numbers that states give to people: recognised by their check digits or a shape that nothing else has, or by the word
// before them ("SSN", "passport"). Part of `possible-personal-data`.
#pragma once

#include <cstddef>
#include <string_view>

#include "data/checks/invented.h"

namespace lora {

// Bytes of the identity number that begins at `at`; 0 when there is none. Precondition: `at` is not inside a word.
// Known: SSN, national insurance numbers (GB), DNI and NIE (ES), codice fiscale (IT), NIR (FR), CPF (BR); by a word
// before them also numbers of Canada, India, Germany, Poland, the Netherlands, Sweden, and passports.
size_t identity_number_at(std::string_view text, size_t at, Invented invented = Invented::kNo);

// 1234567890, 000…, 1111…: digits that somebody made up.
bool is_made_up_number(std::string_view digits);

}  // namespace lora
