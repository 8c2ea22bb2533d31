#include "run/evaluation_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <system_error>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/chat_jsonl.h"
#include "eval/record_file.h"
#include "judging/recorded.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kTiming = "timing.json";
// No results: whoever takes the folder may have them.
constexpr const char* kBesides[] = {kUnfinishedFile, kTiming, "endpoint_cache"};
constexpr const char* kResults[] = {"answers.jsonl", "summary.json", "questions.jsonl", "report.html",
                                    "review.html"};
constexpr const char* kHeard[] = {"endpoints.json", "judge.json", "judge.jsonl", "judge_transcripts.jsonl"};

// What a kill left half-written beside a file's place counts as the file.
bool is_one_of(std::string_view name, std::span<const char* const> files) {
  return std::ranges::any_of(files, [&](std::string_view file) {
    return name.starts_with(file) &&
           (name.size() == file.size() || name.substr(file.size()).starts_with(".tmp."));
  });
}

Json identity_json(const EvaluationIdentity& identity) {
  return {{"format", 1},
          {"base", identity.base},
          {"adapter", identity.adapter},
          {"rows", identity.rows},
          {"max_new_tokens", identity.max_new_tokens},
          {"text", identity.text},
          {"base_quantization", identity.base_quantization},
          {"float32_matmul_precision", identity.float32_matmul_precision}};
}

// Whether results lie there that are not whole. Errors: kInput when anything else does.
bool holds_unfinished_results(const fs::path& folder) {
  if (!fs::exists(folder)) return false;
  const bool is_folder = fs::is_directory(folder);
  const bool is_unfinished = fs::is_regular_file(folder / kUnfinishedFile);
  bool results = false, others = !is_folder;
  std::string other;
  if (is_folder)
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (is_one_of(name, kBesides)) continue;
      if (is_unfinished && (is_one_of(name, kResults) || is_one_of(name, kHeard)))
        results = true;
      else
        others = true, other = name;
    }
  if (others)
    throw Error::input(
        {.where = folder.string(),
         .found = other.empty() ? "the folder is not empty" : "the folder is not empty: it holds " + other,
         .fix = "Choose another --output-dir; nothing is overwritten."});
  return results;
}

}  // namespace

EvaluationIdentity evaluation_identity(const Session& session, const fs::path& adapter,
                                       const std::vector<Conversation>& rows, int64_t max_new_tokens) {
  std::string text;
  for (const Conversation& row : rows) text += chat_jsonl_line(row) + '\n';
  return {.base = session.text().checkpoint().fingerprint(),
          .adapter = sha256_hex(sha256_file(adapter / "adapter_config.json") +
                                sha256_file(adapter / "adapter_model.safetensors")),
          .rows = sha256_hex(text),
          .max_new_tokens = max_new_tokens,
          .text = session.renderer().fingerprint(),
          .base_quantization = session.record().base_quantization,
          .float32_matmul_precision = std::string(precision_name(session.decoder().weights().precision()))};
}

void require_evaluation_folder(const fs::path& folder) {
  holds_unfinished_results(folder);
}

FolderLock open_evaluation_folder(const fs::path& folder, const EvaluationIdentity& identity) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    throw Error::machine({.where = folder.string(),
                          .found = "the folder cannot be made: " + code.message(),
                          .fix = "Choose an --output-dir that can be written."});
  FolderLock lock(folder);
  const fs::path record = folder / kUnfinishedFile;
  const Json now = identity_json(identity);
  if (holds_unfinished_results(folder)) {
    const Json old = Json::parse(read_file(record), nullptr, false);
    if (!(old == now))
      throw Error::input({.where = folder.string(),
                          .found = "the folder holds an unfinished evaluation of another base or adapter, "
                                   "other rows, max_new_tokens, template, quantization or precision",
                          .fix = "Choose another --output-dir, or remove the folder."});
  }
  for (const char* file : kBesides) remove_left_temporaries(folder / file);
  for (const char* file : kResults) remove_left_temporaries(folder / file);
  for (const char* file : kHeard) remove_left_temporaries(folder / file);
  write_record(record, now);
  return lock;
}

void clear_old_results(const fs::path& folder) {
  std::error_code code;
  for (const char* file : {kTiming, "summary.json", "report.html", "review.html"})
    fs::remove(folder / file, code);
  for (const char* file : kHeard) fs::remove(folder / file, code);
}

void finish_evaluation_folder(const fs::path& folder) {
  std::error_code code;  // where it stays, the same command makes the same results once more
  fs::remove(folder / kUnfinishedFile, code);
}

}  // namespace lora
