#include "hub/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/error.h"
#include "hub/http.h"
#include "hub/repository.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr const char* kRecord = "pull.json";
constexpr size_t kLargestAnswer = 32 << 20;
constexpr int kMostPages = 100;
// Left free beside what is fetched.
constexpr uint64_t kSpareBytes = 64 << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// pull.json of an earlier pull into the folder.
struct Record {
  std::string source;                         // repository or address
  std::map<std::string, std::string> sha256;  // of each file
};

std::string source_of(const PullOptions& options) {
  return options.repo.empty() ? options.from : options.repo;
}

Record read_record(const PullOptions& options) {
  const fs::path file = options.folder / kRecord;
  if (!fs::exists(fs::symlink_status(file))) return {};
  const Json json = Json::parse(read_file(file), nullptr, false);
  Record record;
  try {
    record.source = json.at("source").get<std::string>();
    for (const Json& entry : json.at("files"))
      record.sha256[entry.at("path").get<std::string>()] = entry.at("sha256").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    throw Error::input({.where = file.string(),
                        .found = "this is not a record of lora pull",
                        .fix = "Move it away, or choose another folder with --to."});
  }
  if (record.source != source_of(options))
    throw Error::input({.where = options.folder.string(),
                        .found = "the folder holds what was pulled from " + record.source,
                        .fix = "Choose another folder with --to."});
  return record;
}

void write_record(const PullOptions& options, const PullResult& result, Record record) {
  Json json{{"format", 1}, {"source", source_of(options)}};
  if (!options.repo.empty()) {
    json["endpoint"] = options.endpoint;
    json["revision"] = options.revision;
    json["commit"] = result.commit;
  }
  // Files of an earlier pull of the same source stay its own.
  std::map<std::string, Json> files;
  for (const auto& [path, hash] : record.sha256)
    if (fs::is_regular_file(fs::symlink_status(options.folder / path)))
      files[path] = {{"path", path}, {"size", fs::file_size(options.folder / path)}, {"sha256", hash}};
  for (const DownloadedFile& file : result.files)
    if (!file.is_absent)
      files[file.path] = {
          {"path", file.path}, {"size", file.size}, {"sha256", file.sha256}, {"checked", file.checked}};
  json["files"] = Json::array();
  for (auto& [path, file] : files) json["files"].push_back(std::move(file));
  remove_left_temporaries(options.folder / kRecord);
  write_file_atomic(options.folder / kRecord, json.dump(2) + "\n", IfExists::kReplace);
}

class Pull {
 public:
  Pull(const PullOptions& options, Progress& progress) : options_(options), progress_(progress) {
    http_options_.ca_file = options.ca_file;
    http_options_.read_seconds = options.read_seconds;
    shared_.stop = [this] { return failed_ || options_.stop(); };
  }

  PullResult run() {
    const auto start = Clock::now();
    std::vector<WantedFile> wanted = options_.repo.empty() ? list_address() : list_repository();
    make_target();
    record_ = read_record(options_);
    check_space(wanted);
    fetch(std::move(wanted));
    if (const auto more = shards_of_address(); !more.empty()) {
      check_space(more);
      fetch(more);
    }
    if (!options_.from.empty()) require_model();
    std::sort(result_.files.begin(), result_.files.end(),
              [](const DownloadedFile& a, const DownloadedFile& b) { return a.path < b.path; });
    write_record(options_, result_, record_);
    result_.bytes_received = shared_.bytes_received;
    result_.seconds = seconds_since(start);
    return std::move(result_);
  }

 private:
  std::vector<WantedFile> list_repository() {
    check_repo_id(options_.repo);
    endpoint_ = parse_url(options_.endpoint, "--endpoint");
    http_options_.token = options_.token;
    http_options_.token_origin = endpoint_;
    Http http(http_options_);
    const Url api = url_below(endpoint_, "api/models/" + options_.repo);
    Url at = api;
    at.target += "/revision/" + percent_encoded(options_.revision, false);
    result_.commit = parse_commit(answer(http, at), at.shown());

    std::vector<RepoFile> all;
    at = api;
    at.target += "/tree/" + result_.commit + "?recursive=true";
    for (int page = 0;; ++page) {
      std::string next;
      const std::string text = answer(http, at, &next);
      const std::vector<RepoFile> files = parse_tree(text, at.shown());
      all.insert(all.end(), files.begin(), files.end());
      if (next.empty()) break;
      const Url to = resolve_redirect(at, next);
      if (page == kMostPages || !to.same_origin(endpoint_))
        throw Error::input(
            {.where = at.shown(), .found = "the list of files does not end, or goes on at another server"});
      at = to;
    }
    const std::vector<RepoFile> chosen = choose_files(all, options_.patterns, options_.repo);
    for (const RepoFile& file : chosen) check_path(file.path, options_.repo);
    check_distinct(chosen, options_.repo);
    std::vector<WantedFile> wanted;
    for (const RepoFile& file : chosen)
      wanted.push_back(
          {.path = file.path,
           .url = url_below(endpoint_, options_.repo + "/resolve/" + result_.commit + "/" + file.path),
           .size = file.size,
           .sha256 = file.sha256,
           .git_sha1 = file.git_sha1});
    progress_.print(fmt::format("{} at {} ({}): {} files", options_.repo, options_.revision,
                                result_.commit.substr(0, 12), wanted.size()));
    return wanted;
  }

  std::string answer(Http& http, const Url& url, std::string* next = nullptr) {
    std::string body;
    const HttpReply reply = get_text(http, url, kLargestAnswer, options_.retries, shared_.stop, body);
    if (reply.status != 200)
      throw_refused(reply, options_.repo + " (" + url.shown() + ")", http.has_token_for(url));
    if (next) *next = next_page(reply.header("Link"));
    return body;
  }

  // --from: one file, or what a model's folder holds, tried by name.
  std::vector<WantedFile> list_address() {
    const Url url = parse_url(options_.from, "--from");
    const std::string path = url.target.substr(0, url.target.find('?'));
    std::vector<WantedFile> wanted;
    if (!path.ends_with('/')) {
      const std::string name = path.substr(path.rfind('/') + 1);
      check_path(name, "--from");
      if (is_pickle_name(name))
        throw Error::input({.where = "--from",
                            .found = name + " is a pickle, which runs code when opened",
                            .expected = "safetensors or GGUF"});
      wanted.push_back({.path = name, .url = url, .sha256 = expected(name)});
    } else {
      for (const std::string& name : companion_names())
        wanted.push_back({.path = name,
                          .url = url_below(url, name),
                          .sha256 = expected(name),
                          .optional = name != "config.json"});
      for (const char* name : {"model.safetensors", "model.safetensors.index.json"})
        wanted.push_back(
            {.path = name, .url = url_below(url, name), .sha256 = expected(name), .optional = true});
    }
    return wanted;
  }

  std::vector<WantedFile> shards_of_address() {
    std::vector<WantedFile> wanted;
    if (!options_.repo.empty()) return wanted;
    const std::string index = "model.safetensors.index.json";
    for (const DownloadedFile& file : result_.files) {
      if (file.path != index || file.is_absent || has_single_file()) continue;
      const fs::path path = options_.folder / index;
      for (const std::string& name : shards_of_index(read_file(path), path.string()))
        wanted.push_back({.path = name,
                          .url = url_below(parse_url(options_.from, "--from"), name),
                          .sha256 = expected(name)});
    }
    return wanted;
  }

  bool has_single_file() const {
    return std::any_of(result_.files.begin(), result_.files.end(),
                       [](const DownloadedFile& f) { return f.path == "model.safetensors" && !f.is_absent; });
  }

  void require_model() const {
    const bool any = std::any_of(result_.files.begin(), result_.files.end(), [](const DownloadedFile& f) {
      return !f.is_absent && (f.path.ends_with(".safetensors") || f.path.ends_with(".gguf") ||
                              f.path.ends_with(".index.json"));
    });
    if (options_.from.ends_with('/') && !any)
      throw Error::input({.where = options_.from,
                          .found = "there is neither model.safetensors nor model.safetensors.index.json",
                          .fix = "Give the address of the one file, for example of a .gguf."});
    for (const auto& [name, hash] : options_.sha256)
      if (std::none_of(result_.files.begin(), result_.files.end(),
                       [&, n = &name](const DownloadedFile& f) { return f.path == *n && !f.is_absent; }))
        throw Error::input({.where = "--sha256 " + name, .found = "no file of this name was fetched"});
  }

  std::string expected(const std::string& name) const {
    const auto it = options_.sha256.find(name);
    return it == options_.sha256.end() ? std::string() : it->second;
  }

  void make_target() const {
    std::error_code error;
    fs::create_directories(options_.folder, error);
    if (error || !fs::is_directory(options_.folder))
      throw Error::machine({.where = options_.folder.string(),
                            .found = "the folder cannot be made",
                            .fix = "Choose another with --to."});
  }

  void check_space(const std::vector<WantedFile>& wanted) {
    uint64_t needed = 0;
    for (const WantedFile& file : wanted) {
      needed = checked_add(needed, bytes_to_come(file, options_.folder), file.path);
      if (file.size) total_ = checked_add(total_, *file.size, file.path);
    }
    std::error_code error;
    const fs::space_info space = fs::space(options_.folder, error);
    if (!error && needed > 0 && checked_add(needed, kSpareBytes, "the files") > space.available)
      throw Error::machine({.where = options_.folder.string(),
                            .found = bytes_text(static_cast<double>(needed)) +
                                     " are still to come, and the disk has " +
                                     bytes_text(static_cast<double>(space.available)) + " left",
                            .fix = "Free some space, or choose another disk with --to."});
  }

  void fetch(std::vector<WantedFile> wanted) {
    // The largest first, so that no long one begins when the others are done.
    std::stable_sort(wanted.begin(), wanted.end(), [](const WantedFile& a, const WantedFile& b) {
      return a.size.value_or(0) > b.size.value_or(0);
    });
    const size_t jobs = std::min(wanted.size(), static_cast<size_t>(std::max(options_.jobs, 1)));
    queue_.assign(wanted.begin(), wanted.end());
    files_ += wanted.size();
    std::vector<std::unique_ptr<Http>> clients;
    for (size_t i = 0; i < jobs; ++i) clients.push_back(std::make_unique<Http>(http_options_));
    running_ = jobs;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < jobs; ++i) threads.emplace_back([this, &http = *clients[i]] { work(http); });
    const auto start = Clock::now();
    const uint64_t before = shared_.bytes_received;
    while (running_ > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (shared_.stop())
        for (const auto& client : clients) client->cancel();
      show(seconds_since(start), shared_.bytes_received - before);
    }
    for (std::thread& thread : threads) thread.join();
    progress_.clear();
    if (failure_) std::rethrow_exception(failure_);
    if (options_.stop())
      throw Error(
          ErrorKind::kInterrupted,
          {.found = "interrupted", .fix = "Run the same command again: it goes on where it stopped."});
  }

  void work(Http& http) {
    try {
      while (!shared_.stop()) {
        WantedFile next;
        {
          const std::lock_guard lock(mutex_);
          if (queue_.empty()) break;
          next = std::move(queue_.front());
          queue_.pop_front();
        }
        const auto ours = record_.sha256.find(next.path);
        const DownloadedFile file =
            download(http, next, options_.folder, ours == record_.sha256.end() ? "" : ours->second,
                     options_.retries, shared_);
        const std::lock_guard lock(mutex_);
        result_.files.push_back(file);
      }
    } catch (const Error& error) {
      const std::lock_guard lock(mutex_);
      // Those that stop because another failed have nothing to say.
      if (!failure_ && error.kind() != ErrorKind::kInterrupted) failure_ = std::current_exception();
      failed_ = true;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
    }
    --running_;
  }

  void show(double seconds, uint64_t received) {
    size_t done;
    {
      const std::lock_guard lock(mutex_);
      done = result_.files.size();
    }
    const double rate = seconds > 0 ? static_cast<double>(received) / seconds : 0;
    const uint64_t have = shared_.bytes_done;
    std::string line = fmt::format("{} of {} files, {}", done, files_, bytes_text(static_cast<double>(have)));
    if (total_ > 0) line += " of " + bytes_text(static_cast<double>(total_));
    line += fmt::format(", {:.1f} MB/s", rate / 1e6);
    if (total_ > have && rate > 0 && seconds > 2)
      line += ", " + duration_text(static_cast<double>(total_ - have) / rate) + " left";
    progress_.update(line);
  }

  const PullOptions& options_;
  Progress& progress_;
  HttpOptions http_options_;
  Url endpoint_;
  Record record_;
  DownloadShared shared_;
  PullResult result_;
  uint64_t total_ = 0;
  size_t files_ = 0;
  std::mutex mutex_;  // of queue_, result_.files, failure_
  std::deque<WantedFile> queue_;
  std::exception_ptr failure_;
  std::atomic<bool> failed_ = false;
  std::atomic<size_t> running_ = 0;
};

}  // namespace

PullResult pull(const PullOptions& options, Progress& progress) {
  return Pull(options, progress).run();
}

}  // namespace lora
