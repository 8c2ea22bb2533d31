// Lends the data doctor a model's own eyes: its control tokens, and its renderer to count tokens with.
#pragma once

#include "data/doctor.h"
#include "text/text_session.h"

namespace lora {

// `session` must outlive the options.
void check_with_model(const TextSession& session, CheckOptions& options);

}  // namespace lora
