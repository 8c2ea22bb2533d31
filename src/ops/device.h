// Where a model computes: names of devices become LibTorch's. The fused operations are the CPU's; on any other device the plain
// ones run (backend.h). Rooms above know a device by its name only, and get tensors on the CPU back.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace lora::ops {

// "cpu", "cuda" (its first GPU) or "cuda:N". Errors: kInput for another name, for "cuda" where this program's LibTorch has no
// CUDA, and for a GPU that is not there.
c10::Device open_device(const std::string& name);

}  // namespace lora::ops
