// Tokenizers from the command line, for comparison with other programs (tests/parity/test_tokenizers.py). JSON Lines in
// and out, one process for many vocabularies:
//   {"open":"PATH"}                            -> {"vocab_size":n,"prefix":[…],"suffix":[…]}
//   {"encode":["a text",…],"text":b}           -> {"ids":[[…],…]}          "text": control tokens are ordinary text
//   {"offsets":"a text"}                       -> {"ids":[…],"begin":[…],"end":[…]}
//   {"decode":[[1,2],…],"skip":b}              -> {"texts":[…]}
//   {"stream":[1,2],"skip":b}                  -> {"parts":[…]}
//   {"time":["a text",…]}                      -> {"bytes":n,"tokens":n,"seconds":s}
// PATH: a Hugging Face folder, a GGUF file, a tokenizer.json, tekken.json or tokenizer.model. A line that fails gives
// {"error":…}.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "files/gguf.h"
#include "text/tokenizer.h"

namespace {

using namespace lora;
using nlohmann::json;

VocabularyData read_vocabulary(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return vocabulary_from_folder(path);
  if (path.extension() == ".gguf") return vocabulary_from_gguf(GgufFile::open(path));
  const std::string bytes = read_file(path), name = path.filename().string();
  if (name.find("tekken") != std::string::npos) return vocabulary_from_tekken(bytes, path.string());
  if (path.extension() == ".json") return vocabulary_from_tokenizer_json(bytes, path.parent_path());
  return bytes.starts_with('\n') ? vocabulary_from_sentencepiece(bytes, path.parent_path())
                                 : vocabulary_from_tiktoken(bytes, path.parent_path());
}

json answer(const json& request, std::unique_ptr<Tokenizer>& tokenizer) {
  if (request.contains("open")) {
    tokenizer.reset();
    tokenizer = std::make_unique<Tokenizer>(read_vocabulary(request["open"].get<std::string>()));
    return {{"vocab_size", tokenizer->vocab_size()},
            {"prefix", tokenizer->prefix_ids()},
            {"suffix", tokenizer->suffix_ids()}};
  }
  if (!tokenizer) return {{"error", "nothing is open"}};
  const Special special = request.value("text", false) ? Special::kText : Special::kParse;
  const bool skip = request.value("skip", false);
  if (request.contains("encode")) {
    json ids = json::array();
    for (const json& text : request["encode"])
      ids.push_back(tokenizer->encode(text.get_ref<const std::string&>(), special));
    return {{"ids", std::move(ids)}};
  }
  if (request.contains("offsets")) {
    const Encoding e =
        tokenizer->encode_with_offsets(request["offsets"].get_ref<const std::string&>(), special);
    return {{"ids", e.ids}, {"begin", e.begin}, {"end", e.end}};
  }
  if (request.contains("decode")) {
    json texts = json::array();
    for (const json& ids : request["decode"])
      texts.push_back(tokenizer->decode(ids.get<std::vector<int32_t>>(), skip));
    return {{"texts", std::move(texts)}};
  }
  if (request.contains("stream")) {
    StreamDecoder stream(*tokenizer, skip);
    json parts = json::array();
    for (const int32_t id : request["stream"].get<std::vector<int32_t>>()) parts.push_back(stream.feed(id));
    parts.push_back(stream.finish());
    return {{"parts", std::move(parts)}};
  }
  if (request.contains("time")) {
    const auto texts = request["time"].get<std::vector<std::string>>();
    size_t bytes = 0, tokens = 0;
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& text : texts) {
      bytes += text.size();
      tokens += tokenizer->encode(text, special).size();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return {{"bytes", bytes}, {"tokens", tokens}, {"seconds", seconds.count()}};
  }
  return {{"error", "unknown request; see the head of tools/tokenizer_tool.cpp"}};
}

}  // namespace

int main() {
  std::unique_ptr<Tokenizer> tokenizer;
  for (std::string line; std::getline(std::cin, line);) {
    json out;
    try {
      out = answer(json::parse(line), tokenizer);
    } catch (const std::exception& error) {
      out = {{"error", error.what()}};
    }
    std::cout << out.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
}
