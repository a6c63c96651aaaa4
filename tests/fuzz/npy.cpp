#include "base/npy.h"

#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  edgeclip::fuzz::reads([&] {
    const edgeclip::Tensor copied = edgeclip::read_npy(file.path()), mapped = edgeclip::map_npy(file.path());
    std::size_t sum = 0;
    for (std::size_t i = 0; i < mapped.bytes(); ++i)
      sum += static_cast<std::size_t>(mapped.raw()[i] != copied.raw()[i]);
    if (sum != 0) ::abort();
  });
  return 0;
}
