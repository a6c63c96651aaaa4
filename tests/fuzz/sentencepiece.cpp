#include "data/text/tokenizer.h"

#include "fuzz_file.h"

// What the sentencepiece library itself makes of a damaged model is part of it: the model is a user's file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const edgeclip::fuzz::MemoryFile file(data, size);
  edgeclip::fuzz::reads([&] {
    const auto tokenizer = edgeclip::load_tokenizer("sentencepiece:" + file.path());
    const std::string long_text(200, 'a'), zero("a\0bc", 4);
    for (const std::string& text : {std::string(), std::string("A man's coat."),
                                    std::string("caf\xC3\xA9 \xF0\x9F\x98\x80"), long_text, zero}) {
      const auto ids = tokenizer->encode(text);
      for (const auto id : ids)
        if (id < 0 || id >= tokenizer->vocab_size()) ::abort();
      tokenizer->decode(ids);
    }
  });
  return 0;
}
