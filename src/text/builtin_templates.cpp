#include "text/builtin_templates.h"

namespace lora {
namespace {

// Roles that a format has no place for are refused rather than dropped. All formats but alpaca and vicuna end an answer
// with a control token of their own.

constexpr std::string_view kChatMl = R"({%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- endif %})";

constexpr std::string_view kLlama3 = R"({{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %})";

constexpr std::string_view kLlama2 = R"({%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- if not loop.first %}{{ raise_exception('a system message may only come first') }}{% endif %}
{%- set ns.system = '<<SYS>>\n' + message.content + '\n<</SYS>>\n\n' %}
{%- elif message.role == 'user' %}
{{- bos_token ~ '[INST] ' + ns.system + message.content + ' [/INST]' }}
{%- set ns.system = '' %}
{%- elif message.role == 'assistant' %}
{{- ' ' + message.content | trim + ' ' + eos_token }}
{%- else %}{{ raise_exception('this format has no role ' + message.role) }}
{%- endif %}
{%- endfor %})";

constexpr std::string_view kMistral = R"({{- bos_token }}
{%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- if not loop.first %}{{ raise_exception('a system message may only come first') }}{% endif %}
{%- set ns.system = message.content + '\n\n' %}
{%- elif message.role == 'user' %}
{{- '[INST] ' + ns.system + message.content + '[/INST]' }}
{%- set ns.system = '' %}
{%- elif message.role == 'assistant' %}
{{- ' ' + message.content | trim + eos_token }}
{%- else %}{{ raise_exception('this format has no role ' + message.role) }}
{%- endif %}
{%- endfor %})";

constexpr std::string_view kGemma = R"({{- bos_token }}
{%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- if not loop.first %}{{ raise_exception('a system message may only come first') }}{% endif %}
{%- set ns.system = message.content | trim + '\n\n' %}
{%- elif message.role == 'user' or message.role == 'assistant' %}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else 'user') + '\n' }}
{{- (ns.system if message.role == 'user' else '') + message.content | trim + '<end_of_turn>\n' }}
{%- set ns.system = '' %}
{%- else %}{{ raise_exception('this format has no role ' + message.role) }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<start_of_turn>model\n' }}
{%- endif %})";

constexpr std::string_view kPhi3 = R"({%- for message in messages %}
{{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\n' }}
{%- endif %})";

constexpr std::string_view kZephyr = R"({%- for message in messages %}
{{- '<|' + message.role + '|>\n' + message.content + eos_token + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\n' }}
{%- endif %})";

constexpr std::string_view kAlpaca = R"({%- if bos_token is defined %}{{ bos_token }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{{- message.content + '\n\n' }}
{%- elif message.role == 'user' %}
{{- '### Instruction:\n' + message.content + '\n\n### Response:\n' }}
{%- elif message.role == 'assistant' %}
{{- message.content + eos_token + '\n\n' }}
{%- else %}{{ raise_exception('this format has no role ' + message.role) }}
{%- endif %}
{%- endfor %})";

constexpr std::string_view kVicuna = R"({%- if bos_token is defined %}{{ bos_token }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{{- message.content + ' ' }}
{%- elif message.role == 'user' %}
{{- 'USER: ' + message.content + ' ASSISTANT:' }}
{%- elif message.role == 'assistant' %}
{{- ' ' + message.content + eos_token }}
{%- else %}{{ raise_exception('this format has no role ' + message.role) }}
{%- endif %}
{%- endfor %})";

constexpr BuiltinTemplate kTemplates[] = {
    {"alpaca", kAlpaca},   {"chatml", kChatMl}, {"gemma", kGemma},   {"llama2", kLlama2}, {"llama3", kLlama3},
    {"mistral", kMistral}, {"phi3", kPhi3},     {"vicuna", kVicuna}, {"zephyr", kZephyr},
};

}  // namespace

std::span<const BuiltinTemplate> builtin_templates() {
  return kTemplates;
}

const BuiltinTemplate* find_builtin_template(std::string_view name) {
  for (const BuiltinTemplate& builtin : kTemplates)
    if (builtin.name == name) return &builtin;
  return nullptr;
}

std::string builtin_template_names() {
  std::string out;
  for (const BuiltinTemplate& builtin : kTemplates)
    out += (out.empty() ? "" : ", ") + std::string(builtin.name);
  return out;
}

}  // namespace lora
