// The rest of the room is tested against a TLS server, in tests/e2e/test_pull.py.
#include "hub/repository.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "hub/retry.h"

namespace lora {
namespace {

std::vector<std::string> paths(const std::vector<RepoFile>& files) {
  std::vector<std::string> names;
  for (const RepoFile& file : files) names.push_back(file.path);
  return names;
}

std::vector<RepoFile> repo(std::initializer_list<const char*> names) {
  std::vector<RepoFile> files;
  for (const char* name : names) files.push_back({.path = name, .size = 1});
  return files;
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    return e.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

using Names = std::vector<std::string>;

TEST(Repository, ChoosesWhatAModelNeeds) {
  EXPECT_EQ(paths(choose_files(
                repo({"README.md", "config.json", "model.safetensors", "model.safetensors.index.json",
                      "model-00001-of-00002.safetensors", "pytorch_model.bin", "tokenizer.json",
                      "original/consolidated.00.pth", "onnx/model.onnx", "chat_template.jinja"}),
                {}, "r")),
            (Names{"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}));
  EXPECT_EQ(paths(choose_files(
                repo({"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                      "model-00002-of-00002.safetensors", "consolidated.safetensors", "tekken.json"}),
                {}, "r")),
            (Names{"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                   "model-00002-of-00002.safetensors", "tekken.json"}));
  EXPECT_EQ(paths(choose_files(
                repo({"adapter_config.json", "adapter_model.safetensors", "training_args.bin"}), {}, "r")),
            (Names{"adapter_config.json", "adapter_model.safetensors"}));
}

TEST(Repository, SaysWhatItHoldsWhenThatIsNoModel) {
  EXPECT_TRUE(contains(error_of([] { choose_files(repo({"a-Q4_K_M.gguf", "b.gguf"}), {}, "r"); }),
                       "\"a-Q4_K_M.gguf\", \"b.gguf\""));
  EXPECT_TRUE(contains(error_of([] { choose_files(repo({"pytorch_model.bin"}), {}, "r"); }), "pickles"));
  EXPECT_TRUE(contains(error_of([] { choose_files(repo({"data.csv"}), {}, "r"); }), "data.csv"));
  EXPECT_TRUE(contains(error_of([] { choose_files({}, {}, "r"); }), "empty"));
}

TEST(Repository, PatternsChooseOneGguf) {
  const auto all =
      repo({"q/x-Q4_K_M.gguf", "x-Q8_0.gguf", "y-00001-of-00002.gguf", "y-00002-of-00002.gguf", "w.bin"});
  EXPECT_EQ(paths(choose_files(all, {"*Q4*"}, "r")), (Names{"q/x-Q4_K_M.gguf"}));
  EXPECT_EQ(paths(choose_files(all, {"y-00002*"}, "r")),
            (Names{"y-00002-of-00002.gguf", "y-00001-of-00002.gguf"}));
  EXPECT_TRUE(contains(error_of([&] { choose_files(all, {"*.gguf"}, "r"); }), "3 models"));
  EXPECT_TRUE(contains(error_of([&] { choose_files(all, {"*"}, "r"); }), "w.bin"));
  EXPECT_TRUE(contains(error_of([&] { choose_files(all, {"z*"}, "r"); }), "matches nothing"));
}

TEST(Repository, PathsLeadNowhereElse) {
  for (const char* path : {"config.json", "a/b/c.safetensors", "ü.json", "..a", "a..b", "part", "x.parts"})
    EXPECT_EQ(error_of([&] { check_path(path, "r"); }), "no error") << path;
  for (const std::string& path : {std::string(),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("a//b"),
                                  std::string("."),
                                  std::string(".."),
                                  std::string("../a"),
                                  std::string("a/../b"),
                                  std::string("a/."),
                                  std::string("a\\b"),
                                  std::string("C:a"),
                                  std::string("a\nb"),
                                  std::string("a\0b", 3),
                                  std::string("a\x7f"),
                                  std::string("\xff"),
                                  std::string(256, 'a'),
                                  std::string("pull.json"),
                                  std::string("PULL.JSON"),
                                  std::string("a/pull.json"),
                                  std::string("a.part"),
                                  std::string("a.PART"),
                                  std::string("a.part.json")})
    EXPECT_NE(error_of([&] { check_path(path, "r"); }), "no error") << path;
}

TEST(Repository, PathsAreDistinctOnAnyFileSystem) {
  EXPECT_EQ(error_of([] { check_distinct(repo({"a", "b/a", "b/c"}), "r"); }), "no error");
  EXPECT_TRUE(contains(error_of([] { check_distinct(repo({"a", "A"}), "r"); }), "case"));
  EXPECT_TRUE(contains(error_of([] { check_distinct(repo({"b/A", "B/a"}), "r"); }), "case"));
  EXPECT_TRUE(contains(error_of([] { check_distinct(repo({"A/b", "a"}), "r"); }), "a folder at once"));
}

TEST(Repository, TreesAreRead) {
  const std::string sha(64, 'a'), blob(40, 'b');
  const auto files = parse_tree(
      R"([{"type":"directory","path":"d","oid":"x","size":0},{"type":"file","path":"d/w","size":130,"oid":")" +
          blob + R"(","lfs":{"oid":"sha256:)" + sha +
          R"(","size":7}},{"type":"file","path":"c","size":3,"oid":")" + blob + R"("}])",
      "t");
  ASSERT_EQ(paths(files), (Names{"d/w", "c"}));
  EXPECT_EQ(files[0].size, 7u);
  EXPECT_EQ(files[0].sha256, sha);
  EXPECT_EQ(files[0].git_sha1, "");
  EXPECT_EQ(files[1].git_sha1, blob);
  for (const char* text : {"", "{}", "[1]", R"([{"type":"file","path":"a"}])",
                           R"([{"type":"file","path":"a","size":-1,"oid":""}])",
                           R"([{"type":"file","path":"a","size":1,"oid":"zz"}])",
                           R"([{"type":"file","path":"a","size":1,"lfs":{"oid":"aa","size":1}}])",
                           R"([{"type":"file","path":"a","size":1,"lfs":{"oid":5}}])"})
    EXPECT_NE(error_of([&] { parse_tree(text, "t"); }), "no error") << text;
}

TEST(Repository, NamesOfRepositories) {
  for (const char* name : {"gpt2", "a/b", "HuggingFaceTB/SmolLM2-135M-Instruct", "_a/b.c"})
    EXPECT_EQ(error_of([&] { check_repo_id(name); }), "no error") << name;
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "..", "a/..", "a..b", ".a", "a b", "a/b?x", "a%2fb",
                           "https://x/y", "a\nb"})
    EXPECT_NE(error_of([&] { check_repo_id(name); }), "no error") << name;
}

TEST(Repository, IndexesNameShardsBesideThem) {
  EXPECT_EQ(shards_of_index(
                R"({"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}})", "i"),
            (Names{"m-1.safetensors", "m-2.safetensors"}));
  for (const char* text :
       {"[]", "{}", R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":"../x.safetensors"}})",
        R"({"weight_map":{"a":"d/x.safetensors"}})", R"({"weight_map":{"a":"x.bin"}})"})
    EXPECT_NE(error_of([&] { shards_of_index(text, "i"); }), "no error") << text;
}

TEST(Repository, PagesAndCommits) {
  EXPECT_EQ(next_page(R"(<https://h/a?cursor=x,y>; rel="next")"), "https://h/a?cursor=x,y");
  EXPECT_EQ(next_page(R"(<https://h/p>; rel="prev", </n>; rel="next")"), "/n");
  EXPECT_EQ(next_page(R"(<https://h/p>; rel="prev")"), "");
  EXPECT_EQ(next_page(""), "");
  EXPECT_EQ(parse_commit(R"({"sha":")" + std::string(40, '1') + R"("})", "t"), std::string(40, '1'));
  for (const char* text : {"{}", R"({"sha":"main"})", R"({"sha":5})", "5", "null"})
    EXPECT_NE(error_of([&] { parse_commit(text, "t"); }), "no error") << text;
}

TEST(Retry, WaitsAsLongAsTheServerAsks) {
  EXPECT_EQ(retry_after_seconds("17", 0), 17);
  EXPECT_EQ(retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 30), 30);
  EXPECT_EQ(retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 30), 0);
  for (const char* text : {"", "soon", "-1", "1.5", "Sun, 06 Nov 1994"})
    EXPECT_LT(retry_after_seconds(text, 0), 0) << text;
  EXPECT_GT(retry_after_seconds("99999999999999999999", 0), 1e8);
  for (const int status : {408, 429, 500, 502, 503, 504, 599})
    EXPECT_TRUE(is_temporary_status(status)) << status;
  for (const int status : {200, 206, 301, 400, 401, 403, 404, 416, 501, 505})
    EXPECT_FALSE(is_temporary_status(status)) << status;
}

TEST(Retry, GivesUpAfterSoManyWithoutProgress) {
  Retry retry({.retries = 2, .first_wait = 0, .longest_wait = 10}, [] { return false; });
  for (int round = 0; round < 3; ++round) {
    retry.failed("here", "it broke");
    retry.failed("here", "it broke");
    if (round < 2) retry.progressed();
  }
  try {
    retry.failed("here", "it broke");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMachine);
    EXPECT_TRUE(contains(e.what(), "it broke") && contains(e.what(), "2 more times")) << e.what();
  }
  Retry patient({.retries = 9, .first_wait = 0, .longest_wait = 10}, [] { return true; });
  EXPECT_THROW(patient.failed("here", "it broke", 11), Error);
}

}  // namespace
}  // namespace lora
