// How LibTorch's threads wait for each other. libgomp, which the LibTorch wheel brings, lets them spin for milliseconds;
// beside any other busy program each of the thousands of small parallel regions of a step then loses a time slice, and
// training becomes several times slower. It reads its settings from the environment when it is loaded, before main(), so
// the default is changed here, before that. A user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT stands.
#include <cstdlib>

namespace {

void prefer_short_spins(int, char**, char**) {
  if (!std::getenv("OMP_WAIT_POLICY") && !std::getenv("GOMP_SPINCOUNT"))
    ::setenv("GOMP_SPINCOUNT", "1000", 1);
}

}  // namespace

// The functions of .preinit_array run before any shared library is initialised (System V ABI, gABI chapter 5).
[[gnu::section(".preinit_array"),
  gnu::used]] static void (*const g_before_libraries)(int, char**, char**) = prefer_short_spins;
