// `language-mix`: an answer in another language than its question or than its like, or one that changes language half
// way. Translation, and whatever speaks of the language by name, is left alone; so are texts too short to tell.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_language_mix_check();

}  // namespace lora
