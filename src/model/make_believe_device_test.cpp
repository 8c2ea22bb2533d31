#include "model/make_believe_device.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>

namespace lora::testing {
namespace {

using at::Tensor;
using std::optional;

constexpr auto kDevice = c10::DeviceType::PrivateUse1;

class Memory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : c10::alloc_cpu(bytes);
    return {data, data, &c10::free_cpu, c10::Device(kDevice, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &c10::free_cpu; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

Memory& memory() {
  static Memory the_memory;
  return the_memory;
}

Tensor empty(c10::IntArrayRef size, optional<at::ScalarType> dtype, optional<at::Layout>,
             optional<at::Device>, optional<bool>, optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, optional<at::ScalarType> dtype,
                     optional<at::Layout>, optional<at::Device>, optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory(),
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(dtype));
}

// The same memory as a tensor of the CPU.
Tensor on_cpu(const Tensor& t) {
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), t.options().device(at::kCPU));
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

Tensor copy_result(const Tensor& from, const Tensor& to) {
  TORCH_CHECK(from.sizes() == to.sizes(), "a result of another size");
  return copy_from(from, to, false);
}

Tensor view(const Tensor& t, c10::SymIntArrayRef size) {
  return at::native::view(t, C10_AS_INTARRAYREF_SLOW(size));
}

Tensor as_strided(const Tensor& t, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                  optional<c10::SymInt> offset) {
  return at::native::as_strided_tensorimpl(
      t, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
      offset ? optional(offset->guard_int(__FILE__, __LINE__)) : std::nullopt);
}

Tensor reshape_alias(const Tensor& t, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return as_strided(t, size, stride, t.storage_offset());
}

// Autograd asks for it before it starts a thread for the device.
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

// All is done when it is asked for, so there is nothing to wait for.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<kDevice> {
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, c10::Device(kDevice, 0)); }
  c10::Device getDevice() const override { return {kDevice, 0}; }
  c10::Stream getStream(c10::Device) const noexcept override { return stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
};

void require_here(const c10::OperatorHandle& op, const Tensor& t) {
  // A GPU takes single numbers of the CPU too.
  TORCH_CHECK(!t.defined() || t.device().type() == kDevice || t.dim() == 0, op.schema().name(),
              " is given tensors of two devices");
}

void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  for (const c10::IValue& value : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (value.isTensor()) require_here(op, value.toTensor());
    if (value.isTensorList())
      for (const Tensor& t : value.toTensorVector()) require_here(op, t);
  }
  at::native::cpu_fallback(op, stack);
}

}  // namespace

c10::Device make_believe_device() {
  static const bool registered = [] {
    static Guard guard;
    static const c10::impl::DeviceGuardImplRegistrar guards(kDevice, &guard);
    static Hooks hooks;
    c10::register_privateuse1_backend("make_believe");
    at::RegisterPrivateUse1HooksInterface(&hooks);
    c10::SetAllocator(kDevice, &memory());
    using torch::Library;
    static Library kernels(Library::IMPL, "aten", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__),
        others(Library::IMPL, "_", c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
    kernels.impl("empty.memory_format", &empty);
    kernels.impl("empty_strided", &empty_strided);
    kernels.impl("_copy_from", &copy_from);
    kernels.impl("_copy_from_and_resize", &copy_result);
    kernels.impl("view", &view);
    kernels.impl("as_strided", &as_strided);
    kernels.impl("_reshape_alias", &reshape_alias);
    others.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
    return true;
  }();
  return {kDevice, static_cast<c10::DeviceIndex>(registered ? 0 : -1)};
}

}  // namespace lora::testing
