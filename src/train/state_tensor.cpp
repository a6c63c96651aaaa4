#include "train/state_tensor.h"

#include "base/error.h"
#include "model/tensors.h"

namespace edgeclip {

torch::Tensor state_tensor(const SafetensorsFile& file, const std::string& name, const torch::Tensor& like) {
  if (!file.contains(name))
    invalid_input("{}: holds no {}: it belongs to another training; train without --resume", file.file(), name);
  const torch::Tensor saved = from_tensor(file.get(name).view());
  if (saved.scalar_type() != like.scalar_type() || saved.sizes() != like.sizes())
    invalid_input("{}: {} is {} {}, expected {} {}; train without --resume", file.file(), name,
                  c10::toString(saved.scalar_type()), c10::str(saved.sizes()), c10::toString(like.scalar_type()),
                  c10::str(like.sizes()));
  return saved;
}

}  // namespace edgeclip
