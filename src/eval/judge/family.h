// Of which family a model is, by its name: a judge prefers answers of its own (arXiv 2306.05685, section 3.3).
#pragma once

#include <string>
#include <string_view>

namespace lora {

// "llama", "qwen", "gpt", …; "" when the name tells nothing. A heuristic: names are all there is.
std::string model_family(std::string_view name);

}  // namespace lora
