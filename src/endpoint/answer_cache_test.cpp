#include "endpoint/answer_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/atomic_file.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class AnswerCacheTest : public testing::Test {
 protected:
  AnswerCacheTest() {
    std::string path = (fs::temp_directory_path() / "answer_cache_XXXXXX").string();
    folder_ = ::mkdtemp(path.data());
  }
  ~AnswerCacheTest() override { fs::remove_all(folder_); }
  fs::path file() const { return fs::directory_iterator(folder_)->path(); }

  fs::path folder_;
  const AskedOf asked_{"https://host/v1", "hash", R"({"model":"m"})", 0};
  const ChatReply reply_{"text", "stop", "m-1", 5, std::nullopt, 0.25};
};

TEST_F(AnswerCacheTest, GivesBackWhatWasStored) {
  const AnswerCache cache(folder_ / "below" / "it");
  EXPECT_FALSE(cache.find(asked_));
  cache.store(asked_, reply_);
  const auto found = cache.find(asked_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->text, "text");
  EXPECT_EQ(found->finish_reason, "stop");
  EXPECT_EQ(found->model, "m-1");
  EXPECT_EQ(found->prompt_tokens, 5);
  EXPECT_FALSE(found->completion_tokens);
  EXPECT_EQ(found->seconds, 0.25);
}

TEST_F(AnswerCacheTest, AnythingElseAskedIsAnotherAnswer) {
  const AnswerCache cache(folder_);
  cache.store(asked_, reply_);
  AskedOf other = asked_;
  other.sample = 1;
  EXPECT_FALSE(cache.find(other));
  other = asked_;
  other.request += " ";
  EXPECT_FALSE(cache.find(other));
  other = asked_;
  other.url_hash = "another query";
  EXPECT_FALSE(cache.find(other));
}

TEST_F(AnswerCacheTest, NoByteOfAFileCanBeChangedUnnoticed) {
  const AnswerCache cache(folder_);
  cache.store(asked_, reply_);
  const std::string good = read_file(file());
  size_t believed = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'x' ? 'y' : 'x';
    std::ofstream(file()) << bad;
    believed += cache.find(asked_).has_value();
  }
  EXPECT_EQ(believed, 0u);
  for (size_t length = 0; length + 1 < good.size(); ++length) {
    std::ofstream(file()) << good.substr(0, length);
    EXPECT_FALSE(cache.find(asked_)) << length;
  }
}

TEST_F(AnswerCacheTest, TellsWhatWasTakenFromWhere) {
  EXPECT_EQ(AnswerCache("out/cache").taken_in_words(20), ", 20 taken from out/cache");
  EXPECT_EQ(AnswerCache("out/cache").taken_in_words(0), "");
}

TEST_F(AnswerCacheTest, WithoutAFolderNothingIsKept) {
  const AnswerCache cache{fs::path()};
  cache.store(asked_, reply_);
  EXPECT_FALSE(cache.find(asked_));
}

}  // namespace
}  // namespace lora
