// The version of lora.cpp: written into every run and report.
#pragma once

namespace lora {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace lora
