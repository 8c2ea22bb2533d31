#include "base/byte_size.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

TEST(ByteSize, IsReadAsPeopleWriteIt) {
  const std::vector<std::pair<std::string, int64_t>> cases{
      {"3GB", 3'000'000'000},      {"8GiB", int64_t{8} << 30},
      {"8 gib", int64_t{8} << 30}, {"512M", 512'000'000},
      {"1.5 GB", 1'500'000'000},   {"2000000000", 2'000'000'000},
      {"1TiB", int64_t{1} << 40},  {"64kb", 64'000}};
  for (const auto& [text, bytes] : cases) EXPECT_EQ(parse_byte_size(text, "memory_limit"), bytes) << text;
}

TEST(ByteSize, AnythingElseIsRefusedWithWhatWasFound) {
  for (const char* text :
       {"", "GB", "3 apples", "3GBs", "-3GB", "0", "nan", "1e99", "inf", "3  GB", "99999999TB", "0x10"}) {
    try {
      parse_byte_size(text, "memory_limit");
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_NE(std::string(error.what()).find("memory_limit"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(std::string("\"") + text), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace lora
