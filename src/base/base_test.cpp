#include <gtest/gtest.h>

#include <fstream>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "base/random.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class BaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_base_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST(Error, JoinsItsPartsIntoOneSentence) {
  const Error e = Error::input(
      {.where = "a.jsonl:3:7", .found = "a trailing comma", .expected = "a value", .fix = "Remove it."});
  EXPECT_STREQ(e.what(), "a.jsonl:3:7: a trailing comma (expected a value). Remove it.");
  EXPECT_EQ(e.kind(), ErrorKind::kInput);
}

TEST(Checked, RefusesOverflowAndPassesTheRest) {
  EXPECT_EQ(checked_mul(1u << 31, 1u << 31, "x"), uint64_t{1} << 62);
  EXPECT_THROW(checked_mul(uint64_t{1} << 33, uint64_t{1} << 31, "x"), Error);
  EXPECT_THROW(checked_add(UINT64_MAX, 1, "x"), Error);
  EXPECT_THROW(checked_int64(UINT64_MAX, "x"), Error);
}

TEST(Hash, Sha256MatchesTheStandardsExample) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Random, IsUnbiasedAndKeyed) {
  Random a(1, 2), b(1, 3);
  EXPECT_NE(a.next(), b.next());
  std::vector<int> count(3);
  for (int i = 0; i < 30000; ++i) ++count[a.below(3)];
  for (int c : count) EXPECT_NEAR(c, 10000, 400);
  double sum = 0, sum2 = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = a.normal();
    sum += x;
    sum2 += x * x;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(sum2 / 20000, 1, 0.05);
}

TEST_F(BaseTest, AtomicWriteRefusesOrReplaces) {
  const fs::path file = dir_ / "f";
  write_file_atomic(file, "one", IfExists::kRefuse);
  EXPECT_THROW(write_file_atomic(file, "two", IfExists::kRefuse), Error);
  EXPECT_EQ(read_file(file), "one");
  write_file_atomic(file, "three", IfExists::kReplace);
  EXPECT_EQ(read_file(file), "three");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()), 1)
      << "no temporary file is left";
}

TEST_F(BaseTest, AtomicWriteSaysWhyItCannot) {
  try {
    write_file_atomic(dir_ / "missing" / "f", "x", IfExists::kRefuse);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMachine);
    EXPECT_NE(std::string(e.what()).find("No such file"), std::string::npos);
  }
}

TEST_F(BaseTest, MapsAnEmptyFileAndRefusesAFolder) {
  std::ofstream(dir_ / "empty").close();
  EXPECT_TRUE(MappedFile(dir_ / "empty").bytes().empty());
  EXPECT_THROW(MappedFile{dir_}, Error);
  EXPECT_THROW(MappedFile(dir_ / "none"), Error);
}

}  // namespace
}  // namespace lora
