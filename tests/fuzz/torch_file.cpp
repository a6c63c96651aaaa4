#include "model/torch_file/torch_file.h"

#include "fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile memory(data, size);
  edgeclip::fuzz::reads([&] {
    const edgeclip::TorchFile file(memory.path());
    for (const auto& name : file.names())
      edgeclip::fuzz::reads([&] {
        if (file.get(name).bytes() > (64u << 20)) ::abort();
      });
  });
  return 0;
}
