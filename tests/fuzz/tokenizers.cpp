#include "data/text/tokenizer.h"

#include <unistd.h>

#include <fstream>

#include "fuzz_file.h"

namespace {

/// A folder for the forms that are more than one file.
const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    char name[] = "/dev/shm/edgeclip-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) ::abort();
    return std::filesystem::path(name);
  }();
  return path;
}

void use(const std::string& spec) {
  edgeclip::fuzz::reads([&] {
    const auto tokenizer = edgeclip::load_tokenizer(spec);
    for (const char* text : {"", "A man's coat.", "caf\xC3\xA9 \xF0\x9F\x98\x80 <|endoftext|> [CLS]"}) {
      const auto ids = tokenizer->encode(text);
      for (const auto id : ids)
        if (id < 0 || id >= tokenizer->vocab_size()) ::abort();
      tokenizer->decode(ids);
    }
  });
}

}  // namespace

// The first byte says which form the rest is a file of.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const edgeclip::fuzz::MemoryFile file(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      use("clip:" + file.path());
      break;
    case 1:
      use("bert:" + file.path());
      break;
    case 2:
      std::filesystem::remove(folder() / "tokenizer.json");
      std::filesystem::copy_file(file.path(), folder() / "tokenizer.json");
      use(folder().string());
      break;
    default:
      std::filesystem::remove(folder() / "edgeclip_tokenizer.json");
      std::filesystem::copy_file(file.path(), folder() / "edgeclip_tokenizer.json");
      use(folder().string());
      std::filesystem::remove(folder() / "edgeclip_tokenizer.json");
      break;
  }
  return 0;
}
