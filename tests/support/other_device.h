#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// A second device for tests on machines that have none: LibTorch's "xpu", of which this LibTorch has no kernels, in the
/// CPU's memory.  Each operator on it computes by the CPU's kernel, and refuses tensors that lie on the CPU, as a GPU
/// would.  (`meta` would refuse them too, but ends at the first number that is read.)
namespace edgeclip::test {

inline const torch::Device kOtherDevice{torch::kXPU, 0};

namespace other_device {

/// The same values on `device`, in the same memory.
inline at::Tensor same_memory(const at::Tensor& t, const c10::Device& device) {
  auto* const owner = new c10::Storage(t.storage());
  c10::DataPtr data(
      owner->data(), owner, [](void* p) { delete static_cast<c10::Storage*>(p); }, device);
  c10::Storage storage(c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), owner->nbytes(),
                                                             std::move(data), at::getCPUAllocator(),
                                                             /*resizable=*/device.is_cpu()));
  const auto key = device.is_cpu() ? c10::DispatchKey::CPU : c10::DispatchKey::XPU;
  at::Tensor out = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), t.dtype());
  out.unsafeGetTensorImpl()->set_storage_offset(t.storage_offset());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides());
  return out;
}

/// Operators on the other device by the CPU's kernels.
inline void compute_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const at::DisableRecordFunctionGuard unseen;
  const at::AutoDispatchBelowADInplaceOrView below;
  const std::string& name = op.schema().name();
  const bool may_cross = name == "aten::copy_" || name == "aten::_to_copy" || name == "aten::_local_scalar_dense";
  std::vector<std::pair<at::Tensor, at::Tensor>> moved;  // original, on the CPU
  c10::Device result = kOtherDevice;
  const auto to_cpu = [&](const at::Tensor& t) {
    if (!t.defined()) return t;
    if (t.device().is_cpu()) {
      TORCH_CHECK(may_cross || t.dim() == 0, name, ": a tensor ", t.sizes(), " lies on the CPU, others do not");
      return t;
    }
    for (const auto& [original, on_cpu] : moved)
      if (original.is_same(t)) return on_cpu;
    moved.emplace_back(t, same_memory(t, torch::kCPU));
    return moved.back().second;
  };
  const std::size_t begin = stack->size() - op.schema().arguments().size();
  for (std::size_t i = begin; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = to_cpu(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& t : value.toTensorVector()) list.push_back(to_cpu(t));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::optional<at::Tensor>& t : value.toOptionalTensorVector())
        list.push_back(t ? c10::make_optional(to_cpu(*t)) : c10::nullopt);
      value = list;
    } else if (value.isDevice()) {
      result = value.toDevice();
      value = c10::Device(torch::kCPU);
    }
  }
  op.callBoxed(stack);
  const auto back = [&](const at::Tensor& t) {
    if (!t.defined()) return t;
    for (auto& [original, on_cpu] : moved)
      if (on_cpu.is_same(t)) {
        if (original.storage().data() != t.storage().data())  // an output that was empty
          original.unsafeGetTensorImpl()->set_storage_keep_dtype(same_memory(t, kOtherDevice).storage());
        if (original.sizes() != t.sizes() || original.strides() != t.strides())
          original.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides());
        return original;
      }
    return result.is_cpu() ? t : same_memory(t, result);
  };
  for (std::size_t i = stack->size() - op.schema().returns().size(); i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = back(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& t : value.toTensorVector()) list.push_back(back(t));
      value = list;
    }
  }
}

/// Before the first backward pass, which starts a thread for each device.
struct Registered {
  Registered() {
    rest.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
    // Those that would choose a kernel by the device themselves.
    for (const char* name : {"copy_", "convolution", "convolution_backward"})
      own.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
  }
  c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::XPU> guard;
  c10::impl::DeviceGuardImplRegistrar registrar{c10::DeviceType::XPU, &guard};
  torch::Library rest{torch::Library::IMPL, "_", c10::DispatchKey::XPU, __FILE__, __LINE__};
  torch::Library own{torch::Library::IMPL, "aten", c10::DispatchKey::XPU, __FILE__, __LINE__};
};
inline const Registered kRegistered;

inline std::mutex seen_mutex;
inline std::set<std::string> seen;

}  // namespace other_device

/// For its lifetime notes, in all threads, which operators give tensors (but single numbers) on the CPU.  One at a time.
class CpuTensors {
 public:
  CpuTensors() : handle_(at::addGlobalCallback(at::RecordFunctionCallback(nullptr, &look).needsOutputs(true))) {
    other_device::seen.clear();
  }
  ~CpuTensors() { at::removeCallback(handle_); }
  CpuTensors(const CpuTensors&) = delete;
  CpuTensors& operator=(const CpuTensors&) = delete;

  /// Names of operators with commas; "" if none.
  std::string made_by() const {
    const std::lock_guard lock(other_device::seen_mutex);
    std::string names;
    for (const auto& name : other_device::seen) names += (names.empty() ? "" : ", ") + name;
    return names;
  }

 private:
  static void look(const at::RecordFunction& function, at::ObserverContext*) {
    for (const c10::IValue& value : function.outputs()) {
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      if (!value.toTensor().device().is_cpu() || value.toTensor().dim() == 0) continue;
      const std::lock_guard lock(other_device::seen_mutex);
      other_device::seen.insert(function.name());
    }
  }
  const at::CallbackHandle handle_;
};

}  // namespace edgeclip::test
