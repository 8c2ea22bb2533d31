// Whether a search for secrets or personal data also wants what somebody made up for an example: AKIAIOSFODNN7EXAMPLE,
// 123-45-6789, rosa@example.com. Those do no harm and are at most a note.
#pragma once

namespace lora {

enum class Invented { kNo, kToo };

}  // namespace lora
