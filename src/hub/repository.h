// What a repository of a hub holds, and which of it a model needs. Pure: reads the JSON of the hub's API
// (https://huggingface.co/docs/hub/api), chooses, checks names; no network, no disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct RepoFile {
  std::string path;  // below the repository's root, with "/"
  uint64_t size = 0;
  std::string sha256 = {};    // of its content, for files in large-file storage; else empty
  std::string git_sha1 = {};  // of the git blob, for the others
};

// "owner/name" or "name", of letters, digits, "-", "_" and ".". Errors: kInput.
void check_repo_id(const std::string& repo);

// The commit that a revision stands for: key "sha" of /api/models/REPO/revision/REVISION. Errors: kInput when it is not
// 40 hex digits.
std::string parse_commit(std::string_view json, const std::string& where);

// One page of /api/models/REPO/tree/COMMIT?recursive=true: its files; folders are left out. Errors: kInput when it is
// not such a list, or a hash or size in it is malformed.
std::vector<RepoFile> parse_tree(std::string_view json, const std::string& where);

// The target of `rel="next"` in a Link header, or "".
std::string next_page(std::string_view link_header);

// Throws (kInput) unless `path` names a file below a folder, and nothing else, on any system: relative, no "." or "..",
// no backslash, colon or control character, valid UTF-8, components of at most 255 bytes, and not one of the names that
// a download keeps for itself (pull.json, *.part, *.part.json).
void check_path(std::string_view path, const std::string& where);

// Throws (kInput) naming two paths that a file system without case would take for one, or of which one is the other's
// folder.
void check_distinct(const std::vector<RepoFile>& files, const std::string& where);

// Pickled weights (*.bin, *.pt, …): code runs when they are opened, so they are never fetched.
bool is_pickle_name(std::string_view path);

// The files to fetch. Without patterns: what a Hugging Face folder needs (config.json, tokenizer, chat template,
// safetensors with their index), or an adapter's two files. With patterns (shell's * and ?, against the path or the file
// name): what they match, at most one model in GGUF (one file, or all parts of a split one).
// Errors: kInput, each with what the repository holds: nothing fits, several GGUF models fit, only pickles are there, or
// a pattern matches a pickle.
std::vector<RepoFile> choose_files(const std::vector<RepoFile>& all, const std::vector<std::string>& patterns,
                                   const std::string& where);

// Names that choose_files() takes without patterns, but for weights: for servers without a list.
const std::vector<std::string>& companion_names();

// The shards that a model.safetensors.index.json names, each checked by check_path and to lie beside it. Errors: kInput.
std::vector<std::string> shards_of_index(std::string_view json, const std::string& where);

}  // namespace lora
