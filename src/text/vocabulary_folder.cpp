// Which file of a Hugging Face folder holds its vocabulary.
#include "base/atomic_file.h"
#include "base/error.h"
#include "text/vocabulary.h"

namespace lora {

VocabularyData vocabulary_from_folder(const std::filesystem::path& folder) {
  const auto holds = [&](const char* name) { return std::filesystem::exists(folder / name); };
  if (holds("tokenizer.json"))
    return vocabulary_from_tokenizer_json(read_file(folder / "tokenizer.json"), folder);
  if (holds("tekken.json"))
    return vocabulary_from_tekken(read_file(folder / "tekken.json"), (folder / "tekken.json").string());
  if (holds("tokenizer.model")) {
    const std::string bytes = read_file(folder / "tokenizer.model");
    // Lines of base64 are no protobuf of this kind, which starts with the byte 0x0A.
    return bytes.starts_with('\n') ? vocabulary_from_sentencepiece(bytes, folder)
                                   : vocabulary_from_tiktoken(bytes, folder);
  }
  throw Error::input({.where = folder.string(),
                      .found = "there is no tokenizer.json, tekken.json or tokenizer.model",
                      .fix = "Copy the model's tokenizer files into its folder."});
}

}  // namespace lora
