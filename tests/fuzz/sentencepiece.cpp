#include "data/text/tokenizer.h"

#include "fuzz_file.h"

// What the sentencepiece library itself makes of a damaged model is part of it: the model is a user's file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  edgeclip::fuzz::reads([&] {
    const auto tokenizer = edgeclip::load_tokenizer("sentencepiece:" + file.path());
    for (const char* text : {"", "A man's coat.", "caf\xC3\xA9 \xF0\x9F\x98\x80"}) {
      const auto ids = tokenizer->encode(text);
      for (const auto id : ids)
        if (id < 0 || id >= tokenizer->vocab_size()) ::abort();
      tokenizer->decode(ids);
    }
  });
  return 0;
}
