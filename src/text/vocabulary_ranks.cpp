// Vocabularies of byte strings with ranks, as tiktoken has them -> VocabularyData: Mistral's tekken.json, and the
// tokenizer.model of the original Llama 3 (a line "base64 rank" for each token). Two neighbours whose join is a token
// merge, the lowest rank first.
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/base64.h"
#include "text/json_number.h"
#include "text/tokenizer_settings.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& where, const std::string& found) {
  throw Error::input({.where = where,
                      .found = found,
                      .fix = "This tokenizer is not supported yet; the file may also be damaged."});
}

VocabularyData ranks(const std::string& source) {
  VocabularyData data;
  data.source = source;
  data.tokens_are_bytes = data.ignore_merges = data.merges_by_score = true;
  return data;
}

void add_special(VocabularyData& data, int64_t id, const std::string& text) {
  put_token(data, id, text, TokenKind::kControl);
  data.added.push_back({.id = static_cast<int32_t>(id), .content = text, .special = true});
}

// By rank: the score of a token is better the lower its id.
void score_by_id(VocabularyData& data) {
  data.scores.resize(data.tokens.size());
  for (size_t id = 0; id < data.scores.size(); ++id) data.scores[id] = -static_cast<double>(id);
}

void add_pattern(VocabularyData& data, const std::string& expression) {
  data.pre_tokenizers.emplace_back(
      SplitPattern{Pattern(expression, data.source + ": pattern"), SplitBehavior::kIsolated, false});
  data.pipeline += "split " + expression + "\n";
}

void check_every_byte(const VocabularyData& data) {
  std::vector<bool> there(256);
  for (size_t id = 0; id < data.tokens.size(); ++id)
    if (data.kinds[id] == TokenKind::kNormal && data.tokens[id].size() == 1)
      there[static_cast<uint8_t>(data.tokens[id][0])] = true;
  for (size_t byte = 0; byte < there.size(); ++byte)
    if (!there[byte]) refuse(data.source, "there is no token for the byte " + std::to_string(byte));
}

// The control tokens of files that do not list them (tokenizer versions up to v7), by id.
constexpr const char* kTekkenSpecials[] = {"<unk>",
                                           "<s>",
                                           "</s>",
                                           "[INST]",
                                           "[/INST]",
                                           "[AVAILABLE_TOOLS]",
                                           "[/AVAILABLE_TOOLS]",
                                           "[TOOL_RESULTS]",
                                           "[/TOOL_RESULTS]",
                                           "[TOOL_CALLS]",
                                           "[IMG]",
                                           "<pad>",
                                           "[IMG_BREAK]",
                                           "[IMG_END]",
                                           "[PREFIX]",
                                           "[MIDDLE]",
                                           "[SUFFIX]",
                                           "[SYSTEM_PROMPT]",
                                           "[/SYSTEM_PROMPT]",
                                           "[TOOL_CONTENT]"};

VocabularyData read_tekken(const json& root, const std::string& source) {
  VocabularyData data = ranks(source);
  const json& config = root.at("config");
  const int64_t size = whole_number(config.at("default_vocab_size"), source),
                specials = whole_number(config.at("default_num_special_tokens"), source);
  const json& vocabulary = root.at("vocab");
  if (specials < 3 || size < specials || size > static_cast<int64_t>(kMaxTokens) ||
      static_cast<uint64_t>(size - specials) > vocabulary.size())
    refuse(source, "a vocabulary of " + std::to_string(size) + " with " + std::to_string(specials) +
                       " control tokens is announced, " + std::to_string(vocabulary.size()) + " are listed");
  const auto listed = root.find("special_tokens");
  std::vector<std::string> names(static_cast<size_t>(specials));
  if (listed != root.end() && !listed->is_null()) {
    for (const json& token : *listed) {
      const int64_t rank = whole_number(token.at("rank"), source);
      if (rank < 0 || rank >= specials || !names[static_cast<size_t>(rank)].empty())
        refuse(source,
               "the control token " + token.at("token_str").dump() + " has the rank " + std::to_string(rank));
      names[static_cast<size_t>(rank)] = token.at("token_str");
    }
  } else {
    const std::string version = config.value("version", "");
    if (version != "v1" && version != "v2" && version != "v3" && version != "v7")
      refuse(source, "version \"" + version + "\" lists no control tokens");
    for (size_t id = 0; id < std::size(kTekkenSpecials) && id < names.size(); ++id)
      names[id] = kTekkenSpecials[id];
  }
  for (size_t id = 0; id < names.size(); ++id)
    add_special(data, static_cast<int64_t>(id),
                names[id].empty() ? "<SPECIAL_" + std::to_string(id) + ">" : names[id]);
  for (int64_t rank = 0; rank < size - specials; ++rank) {
    const json& token = vocabulary[static_cast<size_t>(rank)];
    if (whole_number(token.at("rank"), source) != rank)
      refuse(source, "the ranks are out of order at " + std::to_string(rank));
    auto bytes = decode_base64(token.at("token_bytes").get<std::string>());
    if (!bytes || bytes->empty())
      refuse(source, "the token of rank " + std::to_string(rank) + " is not base64");
    put_token(data, specials + rank, std::move(*bytes), TokenKind::kNormal);
  }
  check_every_byte(data);
  score_by_id(data);
  add_pattern(data, config.at("pattern"));
  const auto id_of = [&](std::string_view name) -> std::optional<int32_t> {
    for (const AddedToken& token : data.added)
      if (token.content == name) return token.id;
    return std::nullopt;
  };
  data.unk_id = id_of("<unk>");
  data.bos_id = id_of("<s>");
  data.eos_id = id_of("</s>");
  data.pad_id = id_of("<pad>");
  if (data.bos_id) data.prefix_ids.push_back(*data.bos_id);
  return data;
}

}  // namespace

VocabularyData vocabulary_from_tekken(std::string_view text, const std::string& source) {
  try {
    const json root = json::parse(text);
    if (!root.is_object()) refuse(source, "not a JSON object");
    return read_tekken(root, source);
  } catch (const json::exception& error) {
    refuse(source, std::string("the file is not laid out as expected: ") + error.what());
  }
}

VocabularyData vocabulary_from_tiktoken(std::string_view lines, const std::filesystem::path& folder) {
  VocabularyData data = ranks((folder / "tokenizer.model").string());
  for (size_t line = 1; !lines.empty(); ++line) {
    const size_t end = lines.find('\n');
    const std::string_view entry = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (entry.empty()) continue;
    const size_t space = entry.find(' ');
    const auto where = [&] { return data.source + ":" + std::to_string(line); };
    if (space == std::string_view::npos) refuse(where(), "not a token in base64 and its rank");
    auto bytes = decode_base64(entry.substr(0, space));
    int64_t rank = -1;
    const char* last = entry.data() + entry.size();
    if (!bytes || bytes->empty() || std::from_chars(entry.data() + space + 1, last, rank).ptr != last)
      refuse(where(), "not a token in base64 and its rank");
    if (rank != static_cast<int64_t>(data.tokens.size()))
      refuse(where(), "the rank " + std::to_string(rank) + " follows " + std::to_string(data.tokens.size()) +
                          " tokens");
    put_token(data, rank, std::move(*bytes), TokenKind::kNormal);
  }
  check_every_byte(data);
  // The file names no control tokens and no pattern: they are Llama 3's, which has 128,000 ranks and 256 names.
  constexpr size_t kLlama3Ranks = 128'000, kLlama3Specials = 256;
  if (data.tokens.size() != kLlama3Ranks)
    refuse(data.source,
           "a file of ranks for " + std::to_string(data.tokens.size()) + " tokens; only Llama 3's is known");
  const char* const named[] = {"<|begin_of_text|>",
                               "<|end_of_text|>",
                               "<|reserved_special_token_0|>",
                               "<|reserved_special_token_1|>",
                               "<|finetune_right_pad_id|>",
                               "<|step_id|>",
                               "<|start_header_id|>",
                               "<|end_header_id|>",
                               "<|eom_id|>",
                               "<|eot_id|>",
                               "<|python_tag|>",
                               "<|image|>"};
  for (size_t i = 0; i < kLlama3Specials; ++i)
    add_special(data, static_cast<int64_t>(kLlama3Ranks + i),
                i < std::size(named)
                    ? named[i]
                    : "<|reserved_special_token_" + std::to_string(i - std::size(named) + 2) + "|>");
  score_by_id(data);
  add_pattern(data,
              R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
              R"(\s*[\r\n]+|\s+(?!\S)|\s+)");
  data.bos_id = static_cast<int32_t>(kLlama3Ranks);
  data.eos_id = static_cast<int32_t>(kLlama3Ranks + 1);
  data.pad_id = static_cast<int32_t>(kLlama3Ranks + 4);
  data.eot_id = static_cast<int32_t>(kLlama3Ranks + 9);
  data.prefix_ids = {*data.bos_id};
  apply_tokenizer_settings(data, folder, AddedTokensOf::kSettings);
  return data;
}

}  // namespace lora
