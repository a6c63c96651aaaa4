#include "model/tensors.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace edgeclip {

namespace {

struct Kind {
  DType ours;
  torch::ScalarType torch;
};
constexpr Kind kKinds[] = {{DType::f32, torch::kFloat}, {DType::f64, torch::kDouble},
                           {DType::f16, torch::kHalf},  {DType::bf16, torch::kBFloat16},
                           {DType::i8, torch::kChar},   {DType::u8, torch::kByte},
                           {DType::i16, torch::kShort}, {DType::i32, torch::kInt},
                           {DType::i64, torch::kLong},  {DType::boolean, torch::kBool}};

}  // namespace

Tensor alias_tensor(const torch::Tensor& t) {
  const torch::Tensor dense = t.detach().to(torch::kCPU).contiguous();
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const Kind& k) { return k.torch == dense.scalar_type(); });
  EDGECLIP_CHECK(kind != std::end(kKinds), "type {}", c10::toString(dense.scalar_type()));
  const Shape shape(dense.sizes().begin(), dense.sizes().end());
  if (dense.numel() == 0) return Tensor(kind->ours, shape);
  const auto* const memory = static_cast<const std::byte*>(dense.data_ptr());
  // The capture is what keeps the memory.
  return Tensor(kind->ours, shape, std::shared_ptr<const std::byte>(memory, [dense](const std::byte*) {}));
}

Tensor to_tensor(const torch::Tensor& t) { return alias_tensor(t).clone(); }

torch::Tensor from_tensor(const TensorView& t) {
  const auto* kind =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.ours == t.dtype; });
  EDGECLIP_CHECK(kind != std::end(kKinds), "LibTorch has no {}", dtype_name(t.dtype));
  torch::Tensor out = torch::empty(t.shape, kind->torch);
  if (t.bytes() > 0) std::memcpy(out.data_ptr(), t.data, t.bytes());
  return out;
}

}  // namespace edgeclip
