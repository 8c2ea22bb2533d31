#include "ops/device.h"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace lora::ops {
namespace {

// N of "cuda:N", 0 of "cuda".
std::optional<int> gpu_number(std::string_view name) {
  constexpr std::string_view kCuda = "cuda";
  if (!name.starts_with(kCuda)) return std::nullopt;
  name.remove_prefix(kCuda.size());
  if (name.empty()) return 0;
  int number = 0;
  const auto [end, code] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  const bool whole =
      name[0] == ':' && name.size() > 1 && code == std::errc() && end == name.data() + name.size();
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

}  // namespace

c10::Device open_device(const std::string& name) {
  if (name == "cpu") return c10::kCPU;
  const std::optional<int> number = gpu_number(name);
  if (!number)
    throw Error::input(
        {.where = "device", .found = "device is \"" + name + "\"", .expected = "cpu, cuda, or cuda:N"});
  if (!at::hasCUDA())
    throw Error::input(
        {.where = "device",
         .found = "device is \"" + name + "\", and this program's LibTorch computes on the CPU alone",
         .fix = "Build it for NVIDIA GPUs (./setup --cuda && make build), or leave device out."});
  const auto gpus = static_cast<int>(at::getNumGPUs());
  if (*number >= gpus)
    throw Error::input({.where = "device",
                        .found = fmt::format("device is \"{}\", and LibTorch finds {}", name,
                                             gpus == 0   ? "no NVIDIA GPU"
                                             : gpus == 1 ? "one GPU, cuda:0"
                                                         : fmt::format("GPUs up to cuda:{}", gpus - 1)),
                        .fix = gpus == 0 ? "Look whether nvidia-smi lists one, or leave device out."
                                         : "Name one of these."});
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(*number)};
}

}  // namespace lora::ops
