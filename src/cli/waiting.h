// How LibTorch's threads wait for each other, of which libgomp, that the LibTorch wheel brings, lets a program choose only by the
// environment that it starts in.
#pragma once

#include <string_view>

namespace lora::cli {

// A value for GOMP_SPINCOUNT: how often a thread looks before it sleeps. load: what /proc/loadavg says; empty where there is none.
// Beside busy programs, who looks for milliseconds loses a time slice in each of the thousands of small parallel regions of a step, and
// training becomes several times slower. Where nothing else runs, looking costs nothing, and a virtual processor that sleeps comes
// back late: a step takes up to a quarter longer (bench/RESULTS.md).
const char* spin_count(std::string_view load);

}  // namespace lora::cli
