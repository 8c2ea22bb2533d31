#include "base/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace lora {
namespace {

void spend(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

const Profile::Total* find(const std::vector<Profile::Total>& totals, const std::string& phase,
                           const std::string& part = "") {
  for (const Profile::Total& total : totals)
    if (total.phase == phase && total.part == part) return &total;
  return nullptr;
}

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(Profile, WithoutARecordingNothingIsRecorded) {
  Profile profile;
  { const ProfileScope scope("step"); }
  EXPECT_TRUE(profile.totals().empty());
  {
    const Profile::Recording recording(profile);
    const ProfileScope scope("step");
  }
  { const ProfileScope scope("step"); }
  ASSERT_EQ(profile.totals().size(), 1u);
  EXPECT_EQ(profile.totals()[0].count, 1);
}

TEST(Profile, TotalsLeaveOutWhatIsInsideAndAddUpToTheWhole) {
  Profile profile;
  {
    const Profile::Recording recording(profile);
    const ProfileScope step("step");
    spend(5);
    for (int i = 0; i < 2; ++i) {
      const ProfileScope forward("forward");
      spend(2);
      for (int j = 0; j < 3; ++j) {
        const ProfilePart gemm("gemm");
        spend(3);
        const ProfilePart unpack("unpack");  // inside of gemm, and not counted to it
        spend(4);
      }
    }
  }
  const auto totals = profile.totals();
  const auto *step = find(totals, "step"), *forward = find(totals, "forward"),
             *gemm = find(totals, "forward", "gemm"), *unpack = find(totals, "forward", "unpack");
  ASSERT_TRUE(step && forward && gemm && unpack);
  EXPECT_EQ(totals.size(), 4u);
  EXPECT_EQ(step->count, 1);
  EXPECT_EQ(forward->count, 2);
  EXPECT_EQ(gemm->count, 6);
  EXPECT_EQ(unpack->count, 6);
  EXPECT_GE(step->seconds, 0.005);
  EXPECT_GE(forward->seconds, 0.004);
  EXPECT_GE(gemm->seconds, 0.018);
  EXPECT_GE(unpack->seconds, 0.024);
  const std::string json = profile.trace_json("lora");
  const size_t at = json.find("\"dur\":", json.find("\"step\""));
  ASSERT_NE(at, std::string::npos);
  const double whole = std::stod(json.substr(at + 6)) * 1e-6;
  EXPECT_NEAR(step->seconds + forward->seconds + gemm->seconds + unpack->seconds, whole, 1e-8);
}

TEST(Profile, OtherThreadsAndPartsOutsideOfPhasesAreLeftOut) {
  Profile profile;
  const Profile::Recording recording(profile);
  std::thread([] { const ProfileScope scope("worker"); }).join();
  { const ProfilePart part("gemm"); }
  EXPECT_TRUE(profile.totals().empty());
}

TEST(Profile, AnInnerRecordingTakesThePlaceOfTheOuterOneForAWhile) {
  Profile outer, inner;
  const Profile::Recording recording(outer);
  {
    const Profile::Recording other(inner);
    const ProfileScope scope("a");
  }
  { const ProfileScope scope("b"); }
  ASSERT_EQ(outer.totals().size(), 1u);
  EXPECT_EQ(outer.totals()[0].phase, "b");
  ASSERT_EQ(inner.totals().size(), 1u);
  EXPECT_EQ(inner.totals()[0].phase, "a");
}

TEST(Profile, PhasesEndWhereAnExceptionLeavesThem) {
  Profile profile;
  const Profile::Recording recording(profile);
  try {
    const ProfileScope step("step");
    const ProfileScope forward("forward");
    throw 1;
  } catch (int) {
  }
  { const ProfileScope step("step"); }
  EXPECT_EQ(find(profile.totals(), "step")->count, 2);
  EXPECT_EQ(find(profile.totals(), "forward")->count, 1);
}

TEST(Profile, ALongTraceKeepsStepsAndSaysWhatIsMissing) {
  Profile profile(/*most_events=*/4);
  {
    const Profile::Recording recording(profile);
    for (int i = 0; i < 10; ++i) {
      const ProfileScope train("train");
      const ProfileScope step("step");
      const ProfileScope forward("forward");
    }
  }
  EXPECT_EQ(find(profile.totals(), "forward")->count, 10);
  const std::string json = profile.trace_json("lora");
  EXPECT_EQ(count_of(json, "\"train\""), 10u);
  EXPECT_EQ(count_of(json, "\"step\""), 10u);
  EXPECT_EQ(count_of(json, "\"forward\"") + profile.left_out(), 10u);
  EXPECT_GT(profile.left_out(), 0u);
  EXPECT_NE(json.find("\"events_left_out\":" + std::to_string(profile.left_out())), std::string::npos);
}

}  // namespace
}  // namespace lora
