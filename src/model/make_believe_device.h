// For tests alone: a device of LibTorch's (at::kPrivateUse1) that is this machine's memory under another name and computes
// with the CPU's operations, but as strict as a GPU: an operation that is given tensors of two devices fails. What runs on it
// has each tensor where a GPU needs it, and must give the CPU's numbers. It knows nothing of CUDA's own arithmetic.
#pragma once

#include <c10/core/Device.h>

namespace lora::testing {

// Registered with LibTorch at the first call.
c10::Device make_believe_device();

}  // namespace lora::testing
