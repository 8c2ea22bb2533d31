// `possible-personal-data`: e-mail addresses, telephone numbers, bank accounts, cards and identity numbers with right
// check digits. Reserved domains, 555 numbers and the test cards of documentation are notes where they are few. Where a
// kind stands in a good part of all rows it is the subject of the data: it is said once, not row by row.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "data/checks/check.h"
#include "data/checks/invented.h"

namespace lora {

std::unique_ptr<DataCheck> make_possible_personal_data_check();

enum class PersonalData { kEmail, kPhone, kIban, kCard, kIdentityNumber };
inline constexpr size_t kPersonalDataKinds = 5;

struct FoundPersonalData {
  size_t offset = 0, length = 0;
  PersonalData kind = PersonalData::kEmail;
};
// The first one at or after `from`.
std::optional<FoundPersonalData> find_personal_data(std::string_view text, size_t from = 0,
                                                    Invented invented = Invented::kNo);

}  // namespace lora
