#include "hub/repository.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/utf8.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr size_t kMostListed = 12;

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected = {},
                         const std::string& fix = {}) {
  throw Error::input({.where = where, .found = found, .expected = expected, .fix = fix});
}

// Text from the network, made safe and short for a message.
std::string in_marks(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 100)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > 100 ? "…\"" : "\"");
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

json parse(std::string_view text, const std::string& where) {
  int depth_limit = 32;
  json value =
      json::parse(text, [&](int depth, json::parse_event_t, json&) { return depth <= depth_limit; }, false);
  if (value.is_discarded())
    refuse(where, "the answer is not JSON", {}, "Check the address: this may be no hub.");
  return value;
}

std::string text_of(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::string file_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

bool has_suffix(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         std::equal(suffix.begin(), suffix.end(), text.end() - static_cast<std::ptrdiff_t>(suffix.size()),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

bool is_gguf(const RepoFile& file) {
  return has_suffix(file.path, ".gguf");
}

// A GGUF's name without the number of its part: equal for the parts of one model.
std::string gguf_model(const std::string& path) {
  static const std::regex part("-[0-9]{5}-of-([0-9]{5})\\.gguf$");
  return std::regex_replace(path, part, "-of-$1");
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostListed); ++i)
    text += (i ? ", " : "") + in_marks(names[i]);
  return text +
         (names.size() > kMostListed ? ", and " + std::to_string(names.size() - kMostListed) + " more" : "");
}

template <typename Keep>
std::vector<std::string> names_of(const std::vector<RepoFile>& files, Keep keep) {
  std::vector<std::string> names;
  for (const RepoFile& file : files)
    if (keep(file)) names.push_back(file.path);
  return names;
}

std::vector<RepoFile> matching(const std::vector<RepoFile>& all, const std::vector<std::string>& patterns,
                               const std::string& where) {
  std::vector<RepoFile> chosen;
  std::set<std::string> taken;
  for (const std::string& pattern : patterns) {
    bool used = false;
    for (const RepoFile& file : all) {
      if (fnmatch(pattern.c_str(), file.path.c_str(), 0) != 0 &&
          fnmatch(pattern.c_str(), file_name(file.path).c_str(), 0) != 0)
        continue;
      used = true;
      if (is_pickle_name(file.path))
        refuse(where,
               "--file " + pattern + " takes in " + in_marks(file.path) +
                   ", pickled weights that run code when opened",
               "safetensors or GGUF", "Write the pattern so that it leaves them out.");
      if (taken.insert(file.path).second) chosen.push_back(file);
    }
    if (!used)
      refuse(where, "--file " + pattern + " matches nothing",
             "a pattern for one of: " +
                 listed(names_of(all, [](const RepoFile& f) { return !is_pickle_name(f.path); })));
  }
  std::map<std::string, std::string> models;
  for (const RepoFile& file : chosen)
    if (is_gguf(file)) models.emplace(gguf_model(file.path), file.path);
  if (models.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [model, path] : models) names.push_back(path);
    refuse(where, "--file matches " + std::to_string(models.size()) + " models: " + listed(names), "one",
           "Narrow the pattern, for example to *Q4_K_M*.");
  }
  return chosen;
}

// A part of a split file is of no use without the others.
void add_other_parts(std::vector<RepoFile>& chosen, const std::vector<RepoFile>& all) {
  std::set<std::string> models, taken;
  for (const RepoFile& file : chosen) {
    taken.insert(file.path);
    if (is_gguf(file)) models.insert(gguf_model(file.path));
  }
  for (const RepoFile& file : all)
    if (is_gguf(file) && models.contains(gguf_model(file.path)) && taken.insert(file.path).second)
      chosen.push_back(file);
}

}  // namespace

void check_repo_id(const std::string& repo) {
  static const std::regex form("([A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}");
  if (!std::regex_match(repo, form) || repo.find("..") != std::string::npos)
    refuse(in_marks(repo), "this is not the name of a repository",
           "OWNER/NAME, for example HuggingFaceTB/SmolLM2-135M-Instruct",
           repo.find("://") != std::string::npos ? "Give an address with --from." : "");
}

std::string parse_commit(std::string_view text, const std::string& where) {
  const json value = parse(text, where);
  const std::string sha = value.is_object() ? text_of(value, "sha") : std::string();
  if (!is_hex(sha, 40))
    refuse(where, "the answer names no commit", "\"sha\" with 40 hex digits",
           "Check the address: this may be no hub.");
  return sha;
}

std::vector<RepoFile> parse_tree(std::string_view text, const std::string& where) {
  const json value = parse(text, where);
  if (!value.is_array())
    refuse(where, "the answer is no list of files", {}, "Check the address: this may be no hub.");
  std::vector<RepoFile> files;
  for (const json& entry : value) {
    if (!entry.is_object()) refuse(where, "the list of files holds something that is no file");
    if (text_of(entry, "type") != "file") continue;
    RepoFile file{.path = text_of(entry, "path")};
    const auto size = [&](const json& object) {
      if (!object.contains("size") || !object["size"].is_number_unsigned())
        refuse(where, "the file " + in_marks(file.path) + " has no size");
      return object["size"].get<uint64_t>();
    };
    if (entry.contains("lfs") && entry["lfs"].is_object()) {
      file.sha256 = text_of(entry["lfs"], "oid");
      if (file.sha256.starts_with("sha256:")) file.sha256.erase(0, 7);
      file.size = size(entry["lfs"]);
      if (!is_hex(file.sha256, 64))
        refuse(where, "the file " + in_marks(file.path) + " has a malformed SHA-256");
    } else {
      file.git_sha1 = text_of(entry, "oid");
      file.size = size(entry);
      if (!is_hex(file.git_sha1, 40))
        refuse(where, "the file " + in_marks(file.path) + " has a malformed hash");
    }
    files.push_back(std::move(file));
  }
  return files;
}

std::string next_page(std::string_view link_header) {
  static const std::regex next("<([^>]*)>[^,]*;\\s*rel=\"?next\"?");
  std::match_results<std::string_view::const_iterator> match;
  return std::regex_search(link_header.begin(), link_header.end(), match, next) ? match[1].str()
                                                                                : std::string();
}

void check_path(std::string_view path, const std::string& where) {
  const auto no = [&](const std::string& why) {
    refuse(where, "the file name " + in_marks(path) + " " + why, "a plain path below the model's folder",
           "Do not use this model: its file names are made to do harm.");
  };
  if (path.empty() || path.size() > 1024) no("is empty or over 1024 bytes");
  if (!is_valid_utf8(path)) no("is not valid UTF-8");
  for (const char c : path)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == ':')
      no("holds a control character, backslash or colon");
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") no("leads out of the folder, or has an empty part");
    if (part.size() > 255) no("has a part over 255 bytes");
    begin = end + 1;
  }
  if (has_suffix(path, ".part") || has_suffix(path, ".part.json") || has_suffix(path, "/pull.json") ||
      (path.size() == 9 && has_suffix(path, "pull.json")))
    no("is one that lora pull keeps for itself");
}

void check_distinct(const std::vector<RepoFile>& files, const std::string& where) {
  std::map<std::string, std::string> seen;  // in lower case: as in the repository
  const auto folded = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  for (const RepoFile& file : files)
    if (const auto [it, fresh] = seen.emplace(folded(file.path), file.path); !fresh)
      refuse(where,
             "the file names " + in_marks(it->second) + " and " + in_marks(file.path) +
                 " differ in nothing, or in case only",
             {}, "Choose files with --file.");
  for (const RepoFile& file : files)
    for (size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      if (seen.contains(folded(file.path.substr(0, slash))))
        refuse(where, in_marks(file.path.substr(0, slash)) + " is a file and a folder at once");
}

bool is_pickle_name(std::string_view path) {
  for (const char* suffix : {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz",
                             ".h5", ".keras", ".msgpack"})
    if (has_suffix(path, suffix)) return true;
  return false;
}

const std::vector<std::string>& companion_names() {
  static const std::vector<std::string> names{"config.json",
                                              "generation_config.json",
                                              "tokenizer.json",
                                              "tokenizer_config.json",
                                              "special_tokens_map.json",
                                              "added_tokens.json",
                                              "tokenizer.model",
                                              "tekken.json",
                                              "vocab.json",
                                              "merges.txt",
                                              "chat_template.jinja",
                                              "chat_template.json"};
  return names;
}

std::vector<RepoFile> choose_files(const std::vector<RepoFile>& all, const std::vector<std::string>& patterns,
                                   const std::string& where) {
  if (!patterns.empty()) {
    std::vector<RepoFile> chosen = matching(all, patterns, where);
    add_other_parts(chosen, all);
    return chosen;
  }
  static const std::regex shard("model-[0-9]{5}-of-[0-9]{5}\\.safetensors");
  const auto has = [&](const char* name) {
    return std::any_of(all.begin(), all.end(), [&](const RepoFile& f) { return f.path == name; });
  };
  std::set<std::string> names(companion_names().begin(), companion_names().end());
  bool shards = false;
  if (has("model.safetensors")) {
    names.insert("model.safetensors");
  } else if (has("model.safetensors.index.json")) {
    names.insert("model.safetensors.index.json");
    shards = true;
  } else if (has("adapter_model.safetensors")) {
    names.insert({"adapter_model.safetensors", "adapter_config.json", "lora.json"});
  } else {
    const auto ggufs = names_of(all, is_gguf);
    if (!ggufs.empty())
      refuse(where, "the repository holds GGUF files: " + listed(ggufs), "a choice of one",
             "Choose with --file, for example --file '*Q4_K_M*'.");
    const auto pickles = names_of(all, [](const RepoFile& f) { return is_pickle_name(f.path); });
    if (!pickles.empty())
      refuse(
          where, "the weights are pickles (" + listed(pickles) + "), which run code when opened",
          "safetensors or GGUF",
          "Look for the same model in safetensors: many repositories have a revision or a copy with them.");
    refuse(where, "the repository holds no model", "model.safetensors, or GGUF files",
           all.empty() ? "It is empty."
                       : "It holds: " + listed(names_of(all, [](const RepoFile&) { return true; })));
  }
  std::vector<RepoFile> chosen;
  for (const RepoFile& file : all)
    if (names.contains(file.path) || (shards && std::regex_match(file.path, shard))) chosen.push_back(file);
  return chosen;
}

std::vector<std::string> shards_of_index(std::string_view text, const std::string& where) {
  const json value = parse(text, where);
  const auto map = value.is_object() ? value.find("weight_map") : value.end();
  if (!value.is_object() || map == value.end() || !map->is_object())
    refuse(where, "it has no object \"weight_map\"");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) refuse(where, "weight_map gives no file name for the tensor " + in_marks(tensor));
    const std::string name = file.get<std::string>();
    check_path(name, where);
    if (name.find('/') != std::string::npos || !has_suffix(name, ".safetensors"))
      refuse(where, "weight_map names the file " + in_marks(name), "a .safetensors file beside the index");
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

}  // namespace lora
