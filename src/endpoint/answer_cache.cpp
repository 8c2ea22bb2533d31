#include "endpoint/answer_cache.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

constexpr uintmax_t kMostBytes = 64u << 20;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json count_json(const std::optional<int64_t>& count) {
  return count ? Json(*count) : Json(nullptr);
}

std::optional<int64_t> count_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<int64_t>());
}

}  // namespace

std::string AskedOf::hash() const {
  return sha256_hex(dump(Json{url_hash, request, sample}));
}

std::filesystem::path AnswerCache::file_of(const AskedOf& asked) const {
  return folder_ / (asked.hash() + ".json");
}

std::optional<ChatReply> AnswerCache::find(const AskedOf& asked) const {
  if (folder_.empty()) return std::nullopt;
  const std::filesystem::path file = file_of(asked);
  std::error_code code;
  if (!std::filesystem::is_regular_file(file, code) || std::filesystem::file_size(file, code) > kMostBytes ||
      code)
    return std::nullopt;
  try {
    const Json json = Json::parse(read_file(file));
    if (json.at("format") != 1 || json.at("url") != asked.url || json.at("request") != asked.request ||
        json.at("sample") != asked.sample || json.at("sha256") != sha256_hex(dump(json.at("answer"))))
      return std::nullopt;
    const Json& answer = json.at("answer");
    ChatReply reply{.text = answer.at("text"),
                    .finish_reason = answer.at("finish_reason"),
                    .model = answer.at("model"),
                    .prompt_tokens = count_of(answer.at("prompt_tokens")),
                    .completion_tokens = count_of(answer.at("completion_tokens")),
                    .seconds = answer.at("seconds")};
    if (!std::isfinite(reply.seconds) || reply.seconds < 0) return std::nullopt;
    return reply;
  } catch (const Json::exception&) {
    return std::nullopt;
  } catch (const Error&) {  // unreadable: ask again
    return std::nullopt;
  }
}

void AnswerCache::store(const AskedOf& asked, const ChatReply& reply) const {
  if (folder_.empty()) return;
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
  if (code)
    throw Error::machine(
        {.where = folder_.string(), .found = "the folder cannot be made: " + code.message()});
  Json answer{{"text", reply.text},
              {"finish_reason", reply.finish_reason},
              {"model", reply.model},
              {"prompt_tokens", count_json(reply.prompt_tokens)},
              {"completion_tokens", count_json(reply.completion_tokens)},
              {"seconds", reply.seconds}};
  const std::string hash = sha256_hex(dump(answer));
  const Json json{
      {"format", 1},      {"url", asked.url}, {"request", asked.request}, {"sample", asked.sample},
      {"answer", answer}, {"sha256", hash}};
  write_file_atomic(file_of(asked), dump(json) + "\n", IfExists::kReplace);
}

std::string AnswerCache::taken_in_words(int64_t count) const {
  return count > 0 ? fmt::format(", {} taken from {}", count, folder_.string()) : "";
}

}  // namespace lora
