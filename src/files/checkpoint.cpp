#include "files/checkpoint.h"

#include <algorithm>
#include <set>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "files/byte_reader.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr uintmax_t kLargestJson = 64u << 20;

bool is_pickle(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         extension == ".pkl";
}

[[noreturn]] void refuse_pickle(const fs::path& path) {
  throw Error::input(
      {.where = path.string(),
       .found =
           "these weights are a pickle, which can run any program when it is opened, and is never opened",
       .expected = "safetensors or GGUF",
       .fix = "Get the model's safetensors, or convert it with Transformers: "
              "AutoModelForCausalLM.from_pretrained(...).save_pretrained(..., safe_serialization=True)."});
}

bool begins_with_gguf(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

// A file of the folder, if it may be read: see the head of checkpoint.h on links. nullopt when there is none.
std::optional<fs::path> file_inside(const fs::path& folder, std::string_view name) {
  const fs::path path = folder / name;
  std::error_code error;
  if (fs::symlink_status(path, error).type() == fs::file_type::not_found) return std::nullopt;
  const fs::path real = fs::canonical(path, error);
  if (error)
    throw Error::input(
        {.where = path.string(), .found = "this link leads nowhere", .fix = "Download the model again."});
  const fs::path home = fs::canonical(folder);
  bool allowed = real.parent_path() == home;
  if (home.parent_path().filename() == "snapshots")
    allowed = allowed || real.parent_path() == home.parent_path().parent_path() / "blobs";
  if (!allowed)
    throw Error::input({.where = path.string(),
                        .found = "this link leads out of the model's folder, to " + in_quotes(real.string()),
                        .expected = "a file of the folder itself",
                        .fix = "Copy the file into the folder, or give the folder that it lies in."});
  return path;
}

// Line and column, from 1, of a byte of a text.
std::string line_and_column(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return std::to_string(line) + ":" + std::to_string(column);
}

json read_json_object(const fs::path& path) {
  if (fs::file_size(path) > kLargestJson)
    throw Error::input(
        {.where = path.string(), .found = "the file is over 64 MB, too large for what it should be"});
  const std::string text = read_file(path);
  const auto limit_depth = [&](int depth, json::parse_event_t, json&) {
    if (depth > 100) throw Error::input({.where = path.string(), .found = "it is nested more than 100 deep"});
    return true;
  };
  try {
    json value = json::parse(text, limit_depth);
    if (!value.is_object())
      throw Error::input({.where = path.string(), .found = "this is not a JSON object"});
    return value;
  } catch (const json::parse_error& e) {
    throw Error::input({.where = path.string() + ":" + line_and_column(text, e.byte == 0 ? 0 : e.byte - 1),
                        .found = "this is not valid JSON",
                        .fix = "Download the file again."});
  }
}

void check_shard_name(const fs::path& index, const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain)
    throw Error::input({.where = index.string(),
                        .found = "weight_map names the file " + in_quotes(name),
                        .expected = "a plain file name in the same folder",
                        .fix = "Do not use this model: its index points out of its folder."});
  if (is_pickle(name)) refuse_pickle(index.parent_path() / name);
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    throw Error::input({.where = path.string(),
                        .found = "there is no such file or folder",
                        .expected = "a GGUF file or a Hugging Face folder",
                        .fix = "Check the path of the model."});
  if (fs::is_directory(status)) {
    checkpoint.open_folder();
  } else if (is_pickle(path)) {
    refuse_pickle(path);
  } else if (path.extension() == ".safetensors") {
    throw Error::input(
        {.where = path.string(),
         .found = "this is one weight file",
         .expected = "a GGUF file or a Hugging Face folder",
         .fix = "Give the folder that holds it together with config.json and tokenizer.json."});
  } else if (!fs::is_regular_file(status) || (path.extension() != ".gguf" && !begins_with_gguf(path))) {
    throw Error::input({.where = path.string(),
                        .found = "this is no model",
                        .expected = "a GGUF file or a Hugging Face folder"});
  } else {
    checkpoint.gguf_ = GgufFile::open(path);
    // The file itself is the user's choice; its further parts were found by name.
    for (const fs::path& part : checkpoint.gguf_->paths())
      if (part != path)
        file_inside(part.parent_path().empty() ? "." : part.parent_path(), part.filename().string());
    checkpoint.tensors_ = checkpoint.gguf_->tensors();
  }
  checkpoint.index_tensors();
  return checkpoint;
}

void Checkpoint::open_folder() {
  const auto config = file_inside(path_, "config.json");
  const auto single = file_inside(path_, kSingleFile);
  const auto index = single ? std::nullopt : file_inside(path_, kIndexFile);
  if (!single && !index) {
    std::set<fs::path> ggufs;
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (is_pickle(entry.path()) && config) refuse_pickle(entry.path());
      if (entry.path().extension() == ".gguf") ggufs.insert(entry.path());
    }
    std::string fix = "Give a folder as Transformers saves it, or a .gguf file.";
    if (!ggufs.empty()) fix = "Give the file itself: " + ggufs.begin()->string();
    if (fs::exists(path_ / "adapter_config.json"))
      fix = "This is an adapter: give its base model here, the adapter with --adapter.";
    throw Error::input({.where = path_.string(),
                        .found = "the folder holds no weights",
                        .expected = "model.safetensors, or model.safetensors.index.json with its shards",
                        .fix = fix});
  }
  if (!config)
    throw Error::input({.where = path_.string(),
                        .found = "the folder has no config.json",
                        .fix = "Download the whole model: config.json, tokenizer.json and the weights."});
  config_ = read_json_object(*config);

  if (single) {
    shards_.push_back(SafetensorsFile::open(*single));
    tensors_ = shards_.front().tensors();
    return;
  }

  const json document = read_json_object(*index);
  const auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object())
    throw Error::input({.where = index->string(), .found = "it has no object \"weight_map\""});
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string())
      throw Error::input({.where = index->string(),
                          .found = "weight_map gives no file name for the tensor " + in_quotes(tensor)});
    check_shard_name(*index, file.get_ref<const std::string&>());
    names.insert(file.get<std::string>());
  }
  std::unordered_map<std::string, size_t> shard_of;
  for (const std::string& name : names) {
    const auto path = file_inside(path_, name);
    if (!path)
      throw Error::input({.where = (path_ / name).string(),
                          .found = "this shard is missing, though " + std::string(kIndexFile) + " names it",
                          .fix = "Download the model again."});
    shard_of.emplace(name, shards_.size());
    shards_.push_back(SafetensorsFile::open(*path));
    tensors_.insert(tensors_.end(), shards_.back().tensors().begin(), shards_.back().tensors().end());
  }
  for (const auto& [tensor, file] : map->items())
    if (!shards_[shard_of.at(file.get_ref<const std::string&>())].find(tensor))
      throw Error::input({.where = (path_ / file.get_ref<const std::string&>()).string(),
                          .found = "the tensor " + in_quotes(tensor) + " is missing, though " +
                                   std::string(kIndexFile) + " says that it is here",
                          .fix = "Download the model again."});
}

void Checkpoint::index_tensors() {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!index_.emplace(tensors_[i].name, i).second)
      throw Error::input({.where = path_.string(),
                          .found = "the tensor " + in_quotes(tensors_[i].name) + " is in two shards"});
}

const GgufFile& Checkpoint::gguf() const {
  if (!gguf_) throw Error::input({.where = path_.string(), .found = "this model is not a GGUF file"});
  return *gguf_;
}

const json& Checkpoint::config() const {
  if (gguf_)
    throw Error::input(
        {.where = path_.string(), .found = "this model is a GGUF file and has no config.json"});
  return config_;
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

std::string Checkpoint::fingerprint() const {
  constexpr size_t kSamples = 16, kSampleBytes = 64;
  std::string text;
  for (const TensorInfo& tensor : tensors_) {
    text += tensor.name + '\0' + std::string(dtype_name(tensor.dtype)) + tensor.shape_text() + '\0';
    const auto bytes = tensor.bytes;
    if (bytes.size() <= kSamples * kSampleBytes) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      continue;
    }
    const size_t last = bytes.size() - kSampleBytes;
    for (size_t i = 0; i < kSamples; ++i) {
      const size_t begin = i == kSamples - 1 ? last : last / (kSamples - 1) * i;
      text.append(reinterpret_cast<const char*>(bytes.data()) + begin, kSampleBytes);
    }
    // The system maps whole neighbourhoods of the samples, up to 2 MB of each: together nearly the file.
    release_mapped_pages(bytes);
  }
  release_pages();
  return sha256_hex(text);
}

std::vector<std::shared_ptr<const MappedFile>> Checkpoint::mappings() const {
  if (gguf_) return gguf_->mappings();
  std::vector<std::shared_ptr<const MappedFile>> all;
  for (const SafetensorsFile& shard : shards_) all.push_back(shard.mapping());
  return all;
}

void Checkpoint::release_pages() const {
  if (gguf_) gguf_->release_pages();
  for (const SafetensorsFile& shard : shards_) shard.release_pages();
}

}  // namespace lora
