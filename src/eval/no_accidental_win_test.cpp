// Evaluations in which nobody is better: how often is `won` said all the same? The issue allows 2.5 %; the verdict rests
// on two-sided tests at 5 %, so a win by chance has half of that at the most.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "base/random.h"
#include "eval/comparison.h"

namespace lora {
namespace {

// How examples go together: each has a difficulty of its own, and contestants share it to the degree `shared`. Every
// contestant passes at the same rate.
struct World {
  size_t n;
  double rate, shared;
  bool few_shot, scores;
};

Contestant sampled(const std::string& name, const World& world, const std::vector<double>& difficulty,
                   Random& random) {
  Contestant contestant{name, {}, {}};
  for (size_t i = 0; i < world.n; ++i) {
    const double level = random.uniform() < world.shared ? difficulty[i] : random.uniform();
    if (world.scores)
      contestant.scores["correct"].push_back(std::pow(level, 1 / world.rate - 1));  // mean: the rate
    else
      contestant.passed["correct"].push_back(level < world.rate);
  }
  return contestant;
}

double share_won(const World& world, size_t runs, Random& random) {
  size_t won = 0;
  for (size_t run = 0; run < runs; ++run) {
    std::vector<double> difficulty;
    for (size_t i = 0; i < world.n; ++i) difficulty.push_back(random.uniform());
    std::vector<Contestant> contestants{sampled("base", world, difficulty, random),
                                        sampled("tuned", world, difficulty, random)};
    if (world.few_shot) contestants.push_back(sampled("few_shot", world, difficulty, random));
    won += compare(contestants, {.seed = run}).verdict == Verdict::kWon;
  }
  return static_cast<double>(won) / static_cast<double>(runs);
}

// Above this a share of `runs` is more than 2.5 % even for bad luck of four standard deviations.
double allowed(size_t runs) {
  return 0.025 + 4 * std::sqrt(0.025 * 0.975 / static_cast<double>(runs));
}

void sweep(size_t runs_each, size_t runs_of_scores) {
  Random random(11);
  double all = 0;
  size_t worlds = 0;
  for (const size_t n : {20u, 35u, 50u})
    for (const double rate : {0.1, 0.3, 0.5, 0.9})
      for (const double shared : {0.0, 0.5, 0.9})
        for (const bool few_shot : {false, true}) {
          const double share = share_won({n, rate, shared, few_shot, false}, runs_each, random);
          EXPECT_LE(share, allowed(runs_each)) << n << " " << rate << " " << shared << " " << few_shot;
          all += share;
          ++worlds;
        }
  EXPECT_LE(all / static_cast<double>(worlds), 0.025);
  std::cout << fmt::format("won in {:.2f} % of {} evaluations\n", 100 * all / static_cast<double>(worlds),
                           worlds * runs_each);
  for (const double rate : {0.2, 0.7})
    for (const bool few_shot : {false, true}) {
      const double share = share_won({20, rate, 0.5, few_shot, true}, runs_of_scores, random);
      EXPECT_LE(share, allowed(runs_of_scores)) << rate << " " << few_shot;
    }
}

TEST(NoAccidentalWin, InTenThousandEvaluations) {
  sweep(160, 40);  // 72 worlds: 11,520 evaluations, and 160 of scores
}

TEST(NoAccidentalWin, ARealDifferenceIsStillFound) {
  Random random(12);
  size_t won = 0;
  for (int run = 0; run < 50; ++run) {
    const World world{50, 0.5, 0, false, false};
    std::vector<double> difficulty(50, 0);
    World better = world;
    better.rate = 0.85;
    won += compare({sampled("base", world, difficulty, random), sampled("tuned", better, difficulty, random)})
               .verdict == Verdict::kWon;
  }
  EXPECT_GE(won, 40u);
}

// Minutes: run by tests/parity/test_statistics.py when slow tests are asked for.
TEST(NoAccidentalWin, DISABLED_InHundredsOfThousandsOfEvaluations) {
  sweep(10000, 2000);
}

}  // namespace
}  // namespace lora
