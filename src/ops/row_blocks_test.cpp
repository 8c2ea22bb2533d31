// How work is dealt to threads, and rows divided for it.
#include "ops/row_blocks.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

namespace lora::ops {
namespace {

// Whoever holds a piece for long is dealt no other: here the first waits for all that come after it.
TEST(Deal, GivesEachPieceOnceToWhoeverIsFree) {
  constexpr int64_t kPieces = 100;
  std::array<std::atomic<int>, kPieces> times{};
  std::atomic<int64_t> done = 0;
  const int64_t threads = at::get_num_threads();  // in a piece it is 1
#ifdef __clang__
  const bool alone = true;  // built for one thread
#else
  const bool alone = threads < 2;
#endif
  deal(kPieces, [&](int64_t piece, int64_t thread) {
    ++times[static_cast<size_t>(piece)];
    const auto begun = std::chrono::steady_clock::now();
    while (piece == 0 && !alone && done < kPieces - 1 &&
           std::chrono::steady_clock::now() - begun < std::chrono::seconds(20))
      std::this_thread::yield();
    EXPECT_LT(thread, threads);
    if (piece == 0 && !alone) {
      EXPECT_EQ(done, kPieces - 1) << "the others were not done meanwhile";
    }
    ++done;
  });
  for (const auto& n : times) EXPECT_EQ(n, 1);
  deal(0, [](int64_t, int64_t) { FAIL(); });
}

TEST(RowStrips, HoldEachRowOnceAndShrink) {
  const auto holds = [](int64_t rows, int64_t threads, int64_t step) {
    const std::vector<int64_t> begins = row_strips(rows, threads, step);
    const int64_t workers = row_workers(rows, threads);
    EXPECT_EQ(begins.front(), 0);
    EXPECT_EQ(begins.back(), rows);
    // What a step adds up in each strip is memory: their number must not grow as rows do.
    EXPECT_LE(static_cast<int64_t>(begins.size()) - 1, workers * 12) << rows;
    for (size_t i = 1; i < begins.size(); ++i) {
      EXPECT_LE(begins[i - 1], begins[i]);
      if (i + 1 < begins.size()) {
        EXPECT_EQ(begins[i] % step, 0);
      }
    }
    // Threads of one speed end together: as many strips of a size as there are workers.
    for (size_t i = 0; i + 1 < begins.size(); ++i) {
      const size_t round = i / static_cast<size_t>(workers) * static_cast<size_t>(workers);
      EXPECT_NEAR(static_cast<double>(begins[i + 1] - begins[i]),
                  static_cast<double>(begins[round + 1] - begins[round]), static_cast<double>(step));
    }
  };
  for (const int64_t threads : {1, 2, 7, 16})
    for (const int64_t rows : {0, 1, 47, 95, 96, 130, 793, 2048, 100'003})
      for (const int64_t step : {6, 16}) holds(rows, threads, step);
  EXPECT_EQ(row_strips(793, 2, 16), (std::vector<int64_t>{0, 192, 384, 480, 576, 688, 793}));
  EXPECT_EQ(row_strips(793, 2, 6), (std::vector<int64_t>{0, 210, 420, 606, 793}));
}

// Rooms are as large as a block may be, whatever products take at a time on this processor.
TEST(RowBlocks, AreNeverLargerThanTheirRooms) {
  for (const int64_t threads : {1, 2, 3})
    for (const int64_t step : {6, 16})
      for (int64_t rows = 0; rows <= 6000; ++rows) {
        const std::vector<int64_t> strips = row_strips(rows, threads, step);
        for (size_t s = 0; s + 1 < strips.size(); ++s) {
          const std::vector<int64_t> blocks = strip_blocks(strips[s], strips[s + 1], step);
          ASSERT_EQ(blocks.front(), strips[s]);
          ASSERT_EQ(blocks.back(), strips[s + 1]);
          for (size_t i = 0; i + 1 < blocks.size(); ++i) {
            ASSERT_LE(blocks[i], blocks[i + 1]);
            ASSERT_LE(blocks[i + 1] - blocks[i], kBlockRows) << rows << " rows, " << threads << " threads";
          }
        }
      }
  EXPECT_EQ(strip_blocks(0, 440, 6), (std::vector<int64_t>{0, 150, 300, 440})) << "210 and 230 before";
  EXPECT_EQ(strip_blocks(192, 640, 16), (std::vector<int64_t>{192, 416, 640}));
}

TEST(RowBlocks, CoverEachStripInOrder) {
  std::mutex mutex;
  std::map<int64_t, std::vector<RowBlock>> strips;
  for_row_blocks(3001, [&](const RowBlock& block) {
    const std::lock_guard lock(mutex);
    strips[block.strip].push_back(block);
  });
  int64_t row = 0;
  for (const auto& [strip, blocks] : strips)
    for (size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(blocks[i].begin, row);
      EXPECT_EQ(blocks[i].first, i == 0);
      EXPECT_LE(blocks[i].rows(), kBlockRows);
      EXPECT_EQ(blocks[i].thread, blocks[0].thread);
      row = blocks[i].end;
    }
  EXPECT_EQ(row, 3001);
}

}  // namespace
}  // namespace lora::ops
