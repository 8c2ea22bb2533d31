// The names of tokenizer.ggml.pre -> pre-tokenizer steps, as the families' own tokenizer.json have them.
#include "base/error.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

void add_split(VocabularyData& data, std::string_view expression) {
  data.pre_tokenizers.emplace_back(
      SplitPattern{Pattern(expression, data.source + ": pre-tokenizer"), SplitBehavior::kIsolated, false});
  data.pipeline += "split " + std::string(expression) + "\n";
}

// Hugging Face's Digits, whose Unicode is newer than that of its patterns.
void add_digits(VocabularyData& data) {
  data.pre_tokenizers.emplace_back(SplitClass{CharacterClass::kNumeric, SplitBehavior::kIsolated});
  data.pipeline += "split \\p{N}\n";
}

void ignore_merges(VocabularyData& data) {
  data.ignore_merges = true;
  data.pipeline += "ignore_merges\n";
}

void add_nfc(VocabularyData& data) {  // llama.cpp leaves it out; the models' own tokenizers have it
  data.normalizers.emplace_back(NormalizeForm{NormalForm::kNfc});
  data.pipeline += "nfc\n";
}

// The contractions of Llama 3 and Qwen 2 in any case; letters may take one leading character along.
std::string words_and_rest(const std::string& digits, const std::string& marks = "") {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?)" +
         (marks.empty() ? std::string(R"(\p{L}+|)") : R"([\p{L})" + marks + "]+|") + digits +
         R"(| ?[^\s\p{L})" + marks + R"(\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

// Words by letter case, as in o200k; `contractions` follow a word, `digits` are taken together.
std::string cased_words(const std::string& contractions, const std::string& digits) {
  const std::string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])", lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  const std::string lead = R"([^\r\n\p{L}\p{N}]?)";
  return lead + upper + "*" + lower + "+" + contractions + "|" + lead + upper + "+" + lower + "*" +
         contractions + "|" + digits + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

constexpr std::string_view kDeepSeekV3Words =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace

void set_pre_tokenizer_by_name(VocabularyData& data, const std::string& name) {
  const auto is = [&](std::initializer_list<const char*> names) {
    for (const char* known : names)
      if (name == known) return true;
    return false;
  };
  const std::string contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  if (is({"gpt-2", "mpt", "olmo", "phi-2", "jais", "granite-docling"})) {
    add_split(data, kGpt2Pattern);
  } else if (is({"smollm", "starcoder", "refact", "command-r"})) {
    add_digits(data);
    add_split(data, kGpt2Pattern);
  } else if (is({"llama-bpe", "llama3", "llama-v3", "pixtral", "falcon3"})) {
    add_split(data, words_and_rest(R"(\p{N}{1,3})"));
    ignore_merges(data);
  } else if (is({"dbrx", "smaug-bpe"})) {  // also OLMo-2 and Phi-4
    add_split(data, words_and_rest(R"(\p{N}{1,3})"));
  } else if (is({"qwen2", "deepseek-r1-qwen"})) {
    add_nfc(data);
    add_split(data, words_and_rest(R"(\p{N})"));
  } else if (is({"stablelm2"})) {
    add_split(data, words_and_rest(R"(\p{N})"));
  } else if (is({"qwen35"})) {
    add_split(data, words_and_rest(R"(\p{N})", R"(\p{M})"));
  } else if (is({"tekken"})) {
    add_split(data, cased_words("", R"(\p{N})"));
    ignore_merges(data);
  } else if (is({"gpt-4o", "llama4"})) {  // also Phi-4-mini
    add_split(data, cased_words(contractions, R"(\p{N}{1,3})"));
  } else if (is({"deepseek-v3"})) {
    add_split(data, R"(\p{N}{1,3})");
    add_split(data, "[一-龥\u3040-ゟ゠-ヿ]+");
    add_split(data, kDeepSeekV3Words);
  } else {
    throw Error::input(
        {.where = data.source + ": tokenizer.ggml.pre",
         .found = name.empty() ? "there is no pre-tokenizer name"
                               : "the pre-tokenizer \"" + name + "\" is not known",
         .expected =
             "smollm, gpt-2, mpt, olmo, starcoder, refact, command-r, llama-bpe, dbrx, smaug-bpe, qwen2, "
             "qwen35, stablelm2, tekken, gpt-4o or deepseek-v3",
         .fix = "Use the model's Hugging Face folder, or a GGUF file made by a recent converter."});
  }
}

}  // namespace lora
