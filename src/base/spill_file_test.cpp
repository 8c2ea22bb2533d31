#include "base/spill_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace lora {
namespace {

std::vector<std::byte> noise(Random& random, size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.next());
  return bytes;
}

TEST(SpillFile, GivesBackWhatWasAppendedAtEveryBudget) {
  for (const size_t budget : {size_t{0}, size_t{1}, size_t{1000}, size_t{1} << 30}) {
    Random random(budget);
    SpillFile file(budget);
    std::vector<std::byte> all;
    for (int i = 0; i < 300; ++i) {
      const auto part = noise(random, random.below(200));
      EXPECT_EQ(file.append(part), all.size());
      all.insert(all.end(), part.begin(), part.end());
      if (all.empty()) continue;
      const size_t begin = random.below(all.size()), size = random.below(all.size() - begin + 1);
      std::vector<std::byte> out(size);
      file.read(begin, out);
      ASSERT_TRUE(std::equal(out.begin(), out.end(), all.begin() + static_cast<ptrdiff_t>(begin)));
    }
    EXPECT_EQ(file.size(), all.size());
    EXPECT_EQ(file.spilled(), budget < all.size());
  }
}

TEST(SpillFile, MovesWithItsBytes) {
  SpillFile a(2);
  Random random(1);
  const auto bytes = noise(random, 100);
  a.append(bytes);
  const SpillFile b = std::move(a);
  std::vector<std::byte> out(100);
  b.read(0, out);
  EXPECT_EQ(out, bytes);
}

}  // namespace
}  // namespace lora
