#include "data/checks/identity_number.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

// Where the number begins: behind the last blank in front of the mark.
size_t length_in(std::string text) {
  const size_t at = text.find('|');
  text.erase(at, 1);
  return identity_number_at(text, at);
}

TEST(IdentityNumber, KnowsThemByCheckDigitsShapesAndWords) {
  // The shapes and check digits are those of the issuing authorities; the numbers are nobody's.
  for (const char* text : {
           "SSN |536-22-8726",
           "my social security number is |536228726",
           "|536-22-8726.",
           "CPF |529.982.247-25",
           "DNI |48291736Q",
           "NIE |X4829173R",
           "codice fiscale |RSSMRA85T10A562S",
           "NIR |1 85 05 78 006 084 91",
           "NI number |JG 10 37 59 A",
           "national insurance |JG103759A",
           "Aadhaar: |4829 1736 5506",
           "Steuer-ID |86095742719",
           "passport no. |L8592047",
           "Passport |482917365",
       })
    EXPECT_GT(length_in(text), 0u) << text;
}

TEST(IdentityNumber, LeavesTheRestAlone) {
  for (const char* text : {
           "|123-45-6789",
           "|000-12-3456",
           "order |536228726",
           "DNI |48291736T",
           "DNI |12345678Z",
           "NI |QQ 12 34 56 C",
           "part |JG103759A",
           "|529.982.247-26",
           "|1 85 05 78 006 084 37",
           "passport of |4 pages",
           "SSN |078-05-1120",
           "|2024-10-12",
           "|3.14159265358979",
           "|A1",
       })
    EXPECT_EQ(length_in(text), 0u) << text;
}

}  // namespace
}  // namespace lora
