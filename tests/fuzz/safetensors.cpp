#include "base/safetensors.h"

#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  edgeclip::fuzz::reads([&] {
    const edgeclip::SafetensorsFile tensors(file.path());
    std::size_t bytes = 0, touched = 0;
    for (const auto& name : tensors.names()) {
      const edgeclip::Tensor tensor = tensors.get(name);
      bytes += tensor.bytes();
      for (std::size_t i = 0; i < tensor.bytes(); i += 64)
        touched += static_cast<std::size_t>(tensor.raw()[i]);
    }
    if (bytes > size || touched == static_cast<std::size_t>(-1)) ::abort();
  });
  return 0;
}
