// Which twin of an operation runs. Every operation of this room has two: a fused one that saves only what its backward
// pass needs, and a plain composition of ATen operations that autograd differentiates. Tests hold them together;
// `--reference` runs the plain one.
#pragma once

namespace lora::ops {

enum class Backend { kFused, kReference };

}  // namespace lora::ops
