#include "data/control_tokens.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace lora {
namespace {

constexpr std::array<std::string_view, 96> kTokens = {
    // Llama 2, Mistral
    "<<SYS>>", "<</SYS>>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    "[MODEL_SETTINGS]", "[/MODEL_SETTINGS]", "<s>", "</s>",
    // Llama 3 and 4
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|eom_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>", "<|header_start|>", "<|header_end|>",
    "<|eot|>", "<|eom|>",
    // ChatML (Qwen, SmolLM, Yi, InternLM, …), GPT-2 and its kin
    "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>", "<|startoftext|>", "<|fim_prefix|>",
    "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|vision_start|>",
    "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|action_start|>", "<|action_end|>", "<|plugin|>", "<|interpreter|>",
    // Gemma
    "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<start_of_image>", "<end_of_image>", "<|turn>",
    "<turn|>",
    // Phi, Zephyr, GLM, Granite
    "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>", "<|end|>", "<|observation|>", "<|endofuser|>",
    "<|start_of_role|>", "<|end_of_role|>", "<|end_of_sentence|>", "<|endofprompt|>", "<|placeholder|>",
    "[gMASK]", "<sop>", "<eop>",
    // gpt-oss (harmony)
    "<|start|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|constrain|>",
    // Command R
    "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>",
    "<|SYSTEM_TOKEN|>", "<BOS_TOKEN>", "<EOS_TOKEN>",
    // DeepSeek (full-width bars)
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>",
    // EXAONE
    "[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"};

constexpr auto kSorted = [] {
  auto sorted = kTokens;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}();

// Whether `<s>` or `</s>` at `at` can only be a control token.
bool is_sentence_mark(std::string_view text, size_t at, std::string_view token) {
  if (token == "<s>") {
    const std::string_view behind = text.substr(at + token.size());
    const size_t word = std::min(behind.find_first_not_of(" \n"), behind.size());
    if (behind.substr(word).starts_with("[INST]")) return true;
    return at == 0 && behind.find("</s>") == std::string_view::npos;
  }
  // Struck-out text in HTML: <s>…</s>. Here: an end that no beginning shortly before it belongs to.
  constexpr size_t kReach = 4096;
  size_t open = 0;
  for (size_t i = text.find('<', at < kReach ? 0 : at - kReach); i < at; i = text.find('<', i + 1)) {
    const std::string_view tag = text.substr(i, 4);
    if (tag.starts_with("<s>") || tag.starts_with("<s ")) ++open;  // <s class="old"> as well
    if (tag == "</s>" && open > 0) --open;
  }
  return open == 0 || (text.starts_with("<s>") && at + token.size() == text.size());
}

// <|any_name|>, <｜any▁name｜>: what nothing but control tokens is written like, so that families which the table does
// not know are found as well ("<|reserved_special_token_7|>").
std::string_view by_shape(std::string_view rest) {
  constexpr size_t kLongest = 48;
  for (const std::string_view bar : {"|", "｜"}) {
    if (!rest.substr(1).starts_with(bar)) continue;
    size_t end = 1 + bar.size();
    const auto is_name = [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
             c == '-';
    };
    while (end < rest.size() && end < kLongest) {
      if (is_name(rest[end]))
        ++end;
      else if (rest.substr(end).starts_with("▁"))
        end += std::string_view("▁").size();
      else
        break;
    }
    const char first = rest[std::min(1 + bar.size(), rest.size() - 1)];
    const bool letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    if (letter && rest[0] == '<' && rest.substr(end).starts_with(bar) &&
        rest.substr(end + bar.size()).starts_with(">"))
      return rest.substr(0, end + bar.size() + 1);
  }
  // <unused12>, <SPECIAL_12>, <extra_id_3>: places in a vocabulary that stand for nothing yet.
  for (const std::string_view name : {"<unused", "<SPECIAL_", "<extra_id_"}) {
    if (!rest.starts_with(name)) continue;
    size_t end = name.size();
    while (end < rest.size() && end < name.size() + 5 && rest[end] >= '0' && rest[end] <= '9') ++end;
    if (end > name.size() && rest.substr(end).starts_with(">")) return rest.substr(0, end + 1);
  }
  return {};
}

// The token at `at`, or nothing. The second byte already tells most of the others apart.
std::string_view token_at(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  std::string_view longest;
  const auto& all = kSorted;
  const std::string_view two = rest.substr(0, 2);
  for (auto it = std::lower_bound(all.begin(), all.end(), two); it != all.end() && it->starts_with(two); ++it)
    if (it->size() > longest.size() && rest.starts_with(*it)) longest = *it;
  if ((longest == "<s>" || longest == "</s>") && !is_sentence_mark(text, at, longest)) return {};
  return longest.empty() ? by_shape(rest) : longest;
}

}  // namespace

std::span<const std::string_view> known_control_tokens() {
  return kSorted;
}

std::optional<ControlToken> find_known_control_token(std::string_view text, size_t from) {
  // Two lazily moved fingers: the next '<' and the next '['.
  const auto find = [&](char c, size_t at) -> size_t {
    if (at >= text.size()) return text.size();
    const void* hit = std::memchr(text.data() + at, c, text.size() - at);
    return hit ? static_cast<size_t>(static_cast<const char*>(hit) - text.data()) : text.size();
  };
  size_t angle = find('<', from), square = find('[', from);
  while (true) {
    const size_t at = std::min(angle, square);
    if (at >= text.size()) return std::nullopt;
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    // Cheap refusals first: what most angles and brackets of a text are followed by.
    if (next != ' ' && next != '"' && next != ']' && !(next >= '0' && next <= '9'))
      if (const std::string_view token = token_at(text, at); !token.empty())
        return ControlToken{at, token.size()};
    (at == angle ? angle : square) = find(at == angle ? '<' : '[', at + 1);
  }
}

}  // namespace lora
