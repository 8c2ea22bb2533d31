#include "files/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "files/gguf_writer.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_checkpoint_test." + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "model");
    model_ = dir_ / "model";
    for (size_t i = 0; i < data_.size(); ++i) data_[i] = static_cast<std::byte>(i);
  }
  void TearDown() override { fs::remove_all(dir_); }

  void text(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }
  TensorInfo tensor(const std::string& name, size_t first = 0) const {
    return {name, DType::kF32, {512}, std::span(data_).subspan(first, 2048)};
  }
  void save(const fs::path& path, std::vector<TensorInfo> tensors) { write_safetensors(path, tensors); }
  void sharded(const std::string& weight_map) {
    text(model_ / "config.json", R"({"model_type":"llama"})");
    save(model_ / "s1.safetensors", {tensor("a")});
    save(model_ / "s2.safetensors", {tensor("b", 64)});
    text(model_ / "model.safetensors.index.json", R"({"metadata":{},"weight_map":)" + weight_map + "}");
  }
  std::string refusal(const fs::path& path) {
    try {
      Checkpoint::open(path);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInput);
      return e.what();
    }
    return "accepted";
  }
  void expect_refused(const fs::path& path, const std::string& says) {
    const std::string message = refusal(path);
    EXPECT_NE(message.find(says), std::string::npos) << message;
  }

  fs::path dir_, model_;
  std::vector<std::byte> data_ = std::vector<std::byte>(4096);
};

TEST_F(CheckpointTest, OpensASingleFileFolder) {
  text(model_ / "config.json", R"({"model_type":"llama"})");
  save(model_ / "model.safetensors", {tensor("b"), tensor("a", 64)});
  const Checkpoint checkpoint = Checkpoint::open(model_);
  EXPECT_FALSE(checkpoint.is_gguf());
  EXPECT_EQ(checkpoint.config().at("model_type"), "llama");
  ASSERT_EQ(checkpoint.tensors().size(), 2u);
  EXPECT_EQ(checkpoint.find("a")->bytes[0], std::byte{64});
  EXPECT_THROW(checkpoint.gguf(), Error);
}

TEST_F(CheckpointTest, OpensAGgufFileUnderAnyName) {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.add_tensor("w", DType::kF32, {512}, std::span(data_).first(2048));
  writer.write(dir_ / "m.gguf");
  fs::copy(dir_ / "m.gguf", dir_ / "blob");
  for (const char* name : {"m.gguf", "blob"}) {
    const Checkpoint checkpoint = Checkpoint::open(dir_ / name);
    EXPECT_TRUE(checkpoint.is_gguf());
    EXPECT_EQ(checkpoint.gguf().get_string("general.architecture"), "llama");
    EXPECT_EQ(checkpoint.find("w")->shape, std::vector<int64_t>{512});
    EXPECT_THROW(checkpoint.config(), Error);
  }
}

class SplitGguf : public CheckpointTest {
 protected:
  void SetUp() override {
    for (uint32_t i = 0; i < 3; ++i) part(i, 3, std::string(1, static_cast<char>('a' + i)));
  }
  fs::path name(uint32_t i) const { return dir_ / ("m-0000" + std::to_string(i + 1) + "-of-00003.gguf"); }
  void part(uint32_t i, uint32_t count, const std::string& tensor_name) {
    GgufWriter writer;
    if (i == 0) writer.set_string("general.architecture", "llama");
    writer.set_uint32("split.no", i);
    writer.set_uint32("split.count", count);
    writer.set_int32("split.tensors.count", 3);
    writer.add_tensor(tensor_name, DType::kF32, {16}, std::span(data_).subspan(64 * i, 64));
    writer.write(name(i));
  }
};

TEST_F(SplitGguf, AnyPartOpensAll) {
  for (uint32_t i = 0; i < 3; ++i) {
    const Checkpoint checkpoint = Checkpoint::open(name(i));
    EXPECT_EQ(checkpoint.gguf().get_string("general.architecture"), "llama");
    EXPECT_EQ(checkpoint.gguf().paths(), (std::vector{name(0), name(1), name(2)}));
    ASSERT_EQ(checkpoint.tensors().size(), 3u);
    for (uint32_t t = 0; t < 3; ++t) {
      const std::string tensor(1, static_cast<char>('a' + t));
      EXPECT_EQ(checkpoint.find(tensor)->bytes[0], data_[64 * t]);
      EXPECT_EQ(checkpoint.gguf().find(tensor)->bytes[63], data_[64 * t + 63]);
    }
    checkpoint.release_pages();
  }
}

TEST_F(SplitGguf, WritingItAgainMakesItWhole) {
  const Checkpoint parts = Checkpoint::open(name(0));
  GgufWriter writer;
  writer.copy_metadata(parts.gguf());
  for (const TensorInfo& t : parts.tensors()) writer.add_tensor(t.name, t.dtype, t.shape, t.bytes);
  writer.write(dir_ / "whole.gguf");
  const Checkpoint whole = Checkpoint::open(dir_ / "whole.gguf");
  EXPECT_FALSE(whole.gguf().has("split.count"));
  EXPECT_EQ(whole.fingerprint(), parts.fingerprint());
}

TEST_F(SplitGguf, RefusesPartsThatDoNotBelongTogether) {
  part(1, 3, "a");
  expect_refused(name(0), "\"a\" is in two parts");
  part(1, 4, "b");
  expect_refused(name(0), "part 2 of 3");
  expect_refused(name(1), "-00002-of-00004.gguf");
  part(1, 1, "b");
  expect_refused(name(0), "part 2 of 3");
  fs::remove(name(1));
  expect_refused(name(2), "m-00002-of-00003.gguf is missing");
  fs::rename(name(0), dir_ / "first.gguf");
  expect_refused(dir_ / "first.gguf", "under another name");
  fs::rename(dir_ / "first.gguf", name(0));
  fs::create_directories(dir_ / "elsewhere");
  part(1, 3, "b");
  fs::rename(name(1), dir_ / "elsewhere" / "m.gguf");
  fs::create_symlink("elsewhere/m.gguf", name(1));
  expect_refused(name(0), "leads out");
}

TEST_F(SplitGguf, RefusesAnotherNumberOfTensorsThanAnnounced) {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.set_uint32("split.count", 3);
  writer.set_int32("split.tensors.count", 4);
  writer.write(name(0));
  expect_refused(name(0), "hold 2 tensors");
}

TEST_F(CheckpointTest, ShardingDoesNotChangeTheFingerprint) {
  sharded(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  const Checkpoint shards = Checkpoint::open(model_);
  EXPECT_EQ(shards.find("b")->bytes[0], std::byte{64});
  fs::create_directories(dir_ / "whole");
  text(dir_ / "whole/config.json", "{}");
  save(dir_ / "whole/model.safetensors", {tensor("b", 64), tensor("a")});
  const Checkpoint whole = Checkpoint::open(dir_ / "whole");
  EXPECT_EQ(shards.fingerprint(), whole.fingerprint());
  EXPECT_EQ(whole.fingerprint().size(), 64u);

  // A sampled byte shows.
  data_[2048 + 64 - 1] = std::byte{99};  // the last byte of b
  save(dir_ / "whole/model.safetensors", {tensor("b", 64), tensor("a")});
  EXPECT_NE(Checkpoint::open(dir_ / "whole").fingerprint(), whole.fingerprint());
}

TEST_F(CheckpointTest, RefusesBadIndexes) {
  const struct {
    const char *map, *says;
  } cases[] = {
      {R"({"a":"../s1.safetensors"})", "weight_map names the file \"../s1.safetensors\""},
      {R"({"a":"/etc/passwd"})", "weight_map names the file \"/etc/passwd\""},
      {R"({"a":"sub/s1.safetensors"})", "plain file name"},
      {R"({"a":"..\\s1.safetensors"})", "plain file name"},
      {R"({"a":".."})", "plain file name"},
      {R"({"a":"."})", "plain file name"},
      {R"({"a":""})", "plain file name"},
      {R"({"a":"s1.safetensors\u0000"})", "plain file name"},
      {R"({"a":5})", "no file name for the tensor \"a\""},
      {R"(["a"])", "no object \"weight_map\""},
      {R"({"a":"pytorch_model.bin"})", "pickle"},
      {R"({"a":"s1.safetensors","b":"s3.safetensors"})", "s3.safetensors: this shard is missing"},
      {R"({"a":"s1.safetensors","c":"s2.safetensors"})", "the tensor \"c\" is missing"},
      {R"({"a":"config.json"})", "config.json"},
      {"{\"a\":", "model.safetensors.index.json:1:"},
  };
  for (const auto& c : cases) {
    sharded(c.map);
    expect_refused(model_, c.says);
  }
  sharded(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  save(model_ / "s2.safetensors", {tensor("b"), tensor("a")});
  expect_refused(model_, "\"a\" is in two shards");
}

TEST_F(CheckpointTest, RefusesLinksOutOfTheFolderButNotTheHubCache) {
  text(dir_ / "config.json", "{}");
  save(dir_ / "elsewhere.safetensors", {tensor("a")});
  text(model_ / "config.json", "{}");
  fs::create_symlink(dir_ / "elsewhere.safetensors", model_ / "model.safetensors");
  expect_refused(model_, "leads out of the model's folder");
  fs::remove(model_ / "model.safetensors");
  fs::create_symlink("nowhere", model_ / "model.safetensors");
  expect_refused(model_, "leads nowhere");
  fs::remove(model_ / "model.safetensors");
  save(model_ / "real.safetensors", {tensor("a")});
  fs::create_symlink("real.safetensors", model_ / "model.safetensors");
  EXPECT_EQ(refusal(model_), "accepted") << "a link inside the folder";

  const fs::path repository = dir_ / "models--x--y", snapshot = repository / "snapshots/abc";
  fs::create_directories(snapshot);
  fs::create_directories(repository / "blobs");
  save(repository / "blobs/123", {tensor("a")});
  text(repository / "blobs/456", R"({"model_type":"llama"})");
  fs::create_symlink("../../blobs/123", snapshot / "model.safetensors");
  fs::create_symlink("../../blobs/456", snapshot / "config.json");
  EXPECT_EQ(refusal(snapshot), "accepted");
  fs::create_directory_symlink(snapshot, dir_ / "link");
  EXPECT_EQ(refusal(dir_ / "link"), "accepted") << "the user's own link to the folder";
  fs::remove(snapshot / "model.safetensors");
  fs::create_symlink(dir_ / "elsewhere.safetensors", snapshot / "model.safetensors");
  expect_refused(snapshot, "leads out of the model's folder");
}

TEST_F(CheckpointTest, SaysWhatIsWrongWithAFolder) {
  expect_refused(dir_ / "none", "no such file or folder");
  expect_refused(model_, "holds no weights");
  text(model_ / "config.json", "{}");
  text(model_ / "pytorch_model.bin", "\x80\x02");
  expect_refused(model_, "pickle");
  expect_refused(model_ / "pytorch_model.bin", "pickle");
  fs::remove(model_ / "pytorch_model.bin");
  text(model_ / "x.gguf", "GGUF");
  expect_refused(model_, "Give the file itself");
  expect_refused(model_ / "x.gguf", "the file ends inside the version");
  expect_refused(model_ / "config.json", "this is no model");
  text(model_ / "adapter_config.json", "{}");
  expect_refused(model_, "This is an adapter");
  save(model_ / "model.safetensors", {tensor("a")});
  expect_refused(model_ / "model.safetensors", "Give the folder");
  for (const char* config : {"{", "[]", "{\"a\":1}}", ""}) {
    text(model_ / "config.json", config);
    expect_refused(model_, "config.json");
  }
  text(model_ / "config.json", std::string(10000, '[') + std::string(10000, ']'));
  expect_refused(model_, "nested more than 100 deep");
  text(model_ / "config.json", "{\n  \"a\": tru }");
  expect_refused(model_, "config.json:2:1");
  fs::remove(model_ / "config.json");
  expect_refused(model_, "no config.json");
}

}  // namespace
}  // namespace lora
