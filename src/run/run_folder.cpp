#include "run/run_folder.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/version.h"
#include "data/chat_jsonl.h"
#include "report/token_view.h"
#include "train/checkpoint.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Keys that change speed or what is shown, but not the result: a resumed run may differ in them.
bool changes_result(const std::string& key) {
  return key != "output_dir" && key != "eval_batch_size" && key != "logging_steps" && key != "threads" &&
         key != "model" && key != "train_data" && key != "eval_data" && key != "checks" &&
         key != "check_ignore" && key != "micro_batch_tokens" && key != "recompute" &&
         key != "memory_limit" && key != "device" && key != "latency_questions" && key != "price_per_hour";
}

// Whether a folder may become a run's: absent, empty, or left by a run that was killed before its run.json stood.
bool is_free(const fs::path& folder) {
  if (!fs::exists(folder)) return true;
  if (!fs::is_directory(folder)) return false;
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) {
                       return entry.path().filename().string().starts_with("run.json.tmp.");
                     });
}

// A few rows as the training sees them, for the report.
void write_token_view(const RunConfig& config, const Split& split, const Session& session) {
  constexpr size_t kRowsShown = 3;
  std::vector<TokenView> views;
  for (size_t i = 0; i < std::min(kRowsShown, split.train.size()); ++i) {
    const Rendered row = session.renderer().render(split.train[i], config.train_data);
    TokenView& view = views.emplace_back(TokenView{.line = split.train[i].line, .tokens = {}});
    for (size_t t = 0; t < row.ids.size(); ++t)
      view.tokens.push_back(
          {std::string(session.tokenizer().token_bytes(row.ids[t])), row.supervised[t] != 0});
  }
  write_file_atomic(fs::path(config.output_dir) / "token_view.json", token_views_json(views),
                    IfExists::kReplace);
}

void write_split(const fs::path& folder, Scope scope, const Split& split) {
  make_folder(folder / "split");
  if (scope == Scope::kWholeRun) make_folder(folder / "eval");
  write_chat_jsonl(folder / "split" / "train.jsonl", split.train, IfExists::kReplace);
  write_chat_jsonl(folder / "split" / "valid.jsonl", split.valid, IfExists::kReplace);
  if (!split.test.empty()) write_chat_jsonl(folder / "split" / "test.jsonl", split.test, IfExists::kReplace);
  if (!split.set_aside.empty())
    write_chat_jsonl(folder / "split" / "set_aside.jsonl", split.set_aside, IfExists::kReplace);
  if (!split.golden.empty())
    write_chat_jsonl(folder / "split" / "golden.jsonl", split.golden, IfExists::kReplace);
}

void write_rows(const RunConfig& config, Scope scope, const Split& split, const Session& session) {
  write_split(config.output_dir, scope, split);
  write_token_view(config, split, session);
}

}  // namespace

std::string make_run_hash(const RunConfig& config, Scope scope, const Session& session) {
  Json identity;
  identity["version"] = kVersion;
  const Json all = config_json(config);
  for (const auto& [key, value] : all.items())
    if (changes_result(key)) identity["config"][key] = value;
  identity["threads"] = at::get_num_threads();
  // A run on the CPU goes on in folders that were begun before there was a choice.
  if (config.device != "cpu") identity["device"] = config.device;
  identity["base"] = session.text().checkpoint().fingerprint();
  identity["text"] = session.renderer().fingerprint();
  identity["train_data"] = sha256_file(config.train_data);
  if (!config.eval_data.empty()) identity["eval_data"] = sha256_file(config.eval_data);
  identity["scope"] = scope == Scope::kWholeRun ? "run" : "train";
  return sha256_hex(identity.dump());
}

FolderLock open_run_folder(const RunConfig& config, Scope scope, const std::string& run_hash,
                           const Split& split, const Session& session) {
  const fs::path folder = config.output_dir;
  const fs::path record = folder / "run.json";
  if (!fs::exists(record)) {
    if (!is_free(folder))
      throw Error::input({.where = folder.string(),
                          .found = "the folder is not empty, and does not hold a run",
                          .fix = "Choose another output_dir; nothing is overwritten."});
    make_folder(folder);
  }
  FolderLock lock(folder);
  if (fs::exists(record)) {
    const Json old = Json::parse(read_file(record), nullptr, false);
    if (!old.is_object() || !old.contains("run_hash") || old["run_hash"] != run_hash)
      throw Error::input({.where = folder.string(),
                          .found = "the folder holds a run with other options, data, model or thread count",
                          .fix = "Choose another output_dir, or remove the folder; nothing is overwritten."});
    if (fs::exists(folder / "finished.json"))
      throw Error::input({.where = folder.string(),
                          .found = "the run in this folder is finished",
                          .fix = "`lora report " + folder.string() +
                                 "` makes its page again. To run it again choose another output_dir, or "
                                 "remove the folder."});
    write_rows(config, scope, split, session);  // a kill may have come before they were whole
    return lock;
  }
  Json json;
  json["format"] = 1;
  json["lora.cpp"] = kVersion;
  json["run_hash"] = run_hash;
  json["config"] = config_json(config);
  json["threads"] = at::get_num_threads();
  json["base_fingerprint"] = session.text().checkpoint().fingerprint();
  json["text_fingerprint"] = session.renderer().fingerprint();
  if (session.text().chat_template().uses_date()) json["template_date"] = session.renderer().options().date;
  json["train_data_sha256"] = sha256_file(config.train_data);
  if (!config.eval_data.empty()) json["eval_data_sha256"] = sha256_file(config.eval_data);
  json["split"] = {{"train", split.train.size()},   {"valid", split.valid.size()},
                   {"test", split.test.size()},     {"set_aside", split.set_aside.size()},
                   {"golden", split.golden.size()}, {"why", split.why}};
  json["notes"] = config.notes;
  write_file_atomic(record, json.dump(2) + "\n", IfExists::kRefuse);
  write_rows(config, scope, split, session);
  return lock;
}

}  // namespace lora
