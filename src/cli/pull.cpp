// `lora pull`: a model from a hub into a folder.
#include "hub/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/interrupt.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "hub/url.h"

namespace lora::cli {
namespace {

struct Options {
  PullOptions pull;
  std::string to, format = "text";
  std::vector<std::string> sha256;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string read_token() {
  std::string token = environment("HF_TOKEN");
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  for (const char c : token)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      throw Error::input({.where = "environment variable HF_TOKEN",
                          .found = "its value holds a space or a control character",
                          .fix = "Copy the token again."});
  return token;
}

// The last part of a repository's name or of an address: the folder to make.
std::string default_folder(std::string source) {
  source = source.substr(0, source.find_first_of("?#"));
  while (source.ends_with('/')) source.pop_back();
  return source.substr(source.rfind('/') + 1);
}

void read_hashes(Options& options) {
  const std::string& from = options.pull.from;
  const std::string one = default_folder(from);
  for (const std::string& text : options.sha256) {
    const size_t equals = text.find('=');
    std::string hash = equals == std::string::npos ? text : text.substr(equals + 1);
    std::transform(hash.begin(), hash.end(), hash.begin(), [](unsigned char c) { return std::tolower(c); });
    if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos ||
        from.ends_with('/') != (equals != std::string::npos))
      throw Error::input({.where = "--sha256 " + text,
                          .found = "this is not a SHA-256 as it is needed here",
                          .expected = from.ends_with('/') ? "NAME=64 hex digits" : "64 hex digits"});
    options.pull.sha256[equals == std::string::npos ? one : text.substr(0, equals)] = hash;
  }
}

int execute(Options options) {
  PullOptions& pull_options = options.pull;
  if (pull_options.repo.empty() == pull_options.from.empty())
    throw Error::input(
        {.where = "lora pull",
         .found = pull_options.repo.empty() ? "nothing to fetch is named" : "both REPO and --from are given",
         .expected = "REPO, or --from URL"});
  if (!options.sha256.empty() && pull_options.from.empty())
    throw Error::input({.where = "--sha256",
                        .found = "it is given without --from",
                        .fix = "A repository's hashes come from its hub."});
  read_hashes(options);
  pull_options.token = pull_options.from.empty() ? read_token() : "";
  const bool one_file = !pull_options.from.empty() && !pull_options.from.ends_with('/');
  if (!options.to.empty())
    pull_options.folder = options.to;
  else
    pull_options.folder =
        one_file ? "." : default_folder(pull_options.repo.empty() ? pull_options.from : pull_options.repo);
  pull_options.stop = interrupt_requested;
  std::signal(SIGPIPE, SIG_IGN);  // a closed connection is an error of the transfer, not of the program

  Progress progress;
  const PullResult result = pull(pull_options, progress);
  if (options.format == "json") {
    nlohmann::ordered_json json{{"folder", pull_options.folder.string()}, {"commit", result.commit}};
    json["files"] = nlohmann::ordered_json::array();
    for (const DownloadedFile& file : result.files)
      if (!file.is_absent)
        json["files"].push_back({{"path", file.path},
                                 {"size", file.size},
                                 {"sha256", file.sha256},
                                 {"checked", file.checked},
                                 {"was_there", file.was_there}});
    json["bytes_received"] = result.bytes_received;
    json["seconds"] = result.seconds;
    print_json(json);
    return 0;
  }
  for (const DownloadedFile& file : result.files) {
    if (file.is_absent) continue;
    fmt::print("{}  {}{}{}\n", (pull_options.folder / file.path).string(),
               bytes_text(static_cast<double>(file.size)), file.was_there ? ", already there" : "",
               file.checked.empty() ? "; nothing to check it against, SHA-256 " + file.sha256 : "");
  }
  fmt::print("{} received in {}\n", bytes_text(static_cast<double>(result.bytes_received)),
             duration_text(result.seconds));
  return 0;
}

}  // namespace

void add_pull(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("pull", "fetch a model from a Hugging Face-style hub (over the network)");
  auto options = std::make_shared<Options>();
  PullOptions& p = options->pull;
  if (const std::string endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) p.endpoint = endpoint;
  command->add_option("repo", p.repo, "OWNER/NAME")->type_name("REPO");
  command
      ->add_option("--from", p.from,
                   "any https address instead: of one file, or of a folder when it ends in /")
      ->type_name("URL");
  command->add_option("--to", options->to, "the folder to fetch into (default: the repository's name)")
      ->type_name("DIR");
  command->add_option("--revision", p.revision, "branch, tag or commit")->capture_default_str();
  command->add_option("--file", p.patterns, "fetch the files that match, e.g. '*Q4_K_M*'; may be repeated")
      ->type_name("PATTERN")
      ->expected(1)
      ->take_all();
  command
      ->add_option("--sha256", options->sha256,
                   "with --from: the hash that must come out (NAME=HASH for a folder)")
      ->type_name("HASH")
      ->expected(1)
      ->take_all();
  command->add_option("--endpoint", p.endpoint, "the hub (also HF_ENDPOINT)")
      ->type_name("URL")
      ->capture_default_str();
  command->add_option("--ca-file", p.ca_file, "certificates to trust in place of the system's, PEM")
      ->type_name("FILE");
  command->add_option("--jobs", p.jobs, "files at a time")->check(CLI::Range(1, 32))->capture_default_str();
  command
      ->add_option("--timeout", p.read_seconds, "seconds without a byte after which a connection is given up")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--retries", p.retries.retries, "attempts after a failure")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  add_format(*command, options->format);
  command->footer(
      "Fetches config.json, the tokenizer, the chat template and the safetensors; of GGUF files the one that "
      "--file names.\n"
      "Pickled weights are never fetched. Every file is verified, and what was fetched is written to "
      "pull.json.\n"
      "Stopped at any point, the same command goes on where it was. The token in HF_TOKEN goes to the hub "
      "alone;\n"
      "https_proxy and no_proxy are heeded.\n"
      "Else lora reaches the network only for endpoints that you name (lora judge; [judge] and "
      "[[contestant]] tables).\n"
      "Examples:\n"
      "  lora pull HuggingFaceTB/SmolLM2-135M-Instruct\n"
      "  lora pull bartowski/SmolLM2-135M-Instruct-GGUF --file '*Q4_K_M*'\n"
      "  lora pull --from https://example.org/models/mine/ --to mine");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
