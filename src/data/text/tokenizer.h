#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace edgeclip {

/// Text to token ids.  Thread-safe after construction, no global state.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of the text without begin and end.  Throws InvalidInput if the text is not valid UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(const std::vector<std::int32_t>& ids) const = 0;
  /// The piece an id stands for, for people.
  virtual std::string piece(std::int32_t id) const = 0;
  virtual int vocab_size() const = 0;
  virtual std::int32_t begin_id() const = 0;  ///< -1: texts have no begin
  virtual std::int32_t end_id() const = 0;
  virtual std::int32_t pad_id() const = 0;
  /// What stands for a hidden token: [MASK], or the unknown token where there is none; -1 without either.
  virtual std::int32_t mask_id() const { return -1; }
  /// What stands for text that the vocabulary lacks; -1: it lacks none, all bytes have pieces.
  virtual std::int32_t unknown_id() const { return -1; }
  /// Writes the folder `tokenizer/` of datasets, bundles and plans: edgeclip_tokenizer.json and the model's
  /// own files.
  virtual void save(const std::filesystem::path& directory) const = 0;

  /// How many ids stand around a text: 2, or 1 without a begin.
  int ends() const { return begin_id() >= 0 ? 2 : 1; }
  /// [begin, ids..., end], too long: cut, the last id is end.  Not padded; at most context_length ids.
  std::vector<std::int32_t> encode_with_ends(std::string_view text, int context_length) const;
  /// (B, T) int32, each row as encode_with_ends, padded with pad_id.  T is the longest row, or context_length
  /// if fixed.
  Tensor encode_batch(const std::vector<std::string>& texts, int context_length,
                      bool fixed_length = false) const;
};

inline constexpr int kTokenizerFormat = 1;
inline constexpr const char* kTokenizerFile = "edgeclip_tokenizer.json";

/// spec: a folder written by save(), a folder of Hugging Face's (tokenizer.json, vocab.json and merges.txt,
/// or vocab.txt), "clip:FILE" (bpe_simple_vocab_16e6.txt.gz), "bert:vocab.txt" or "sentencepiece:FILE.model".
/// convention: "openai" | "huggingface" for CLIP's; "": openai for clip:FILE, huggingface for its folders;
/// for sentencepiece models as in sentencepiece_ends(); a folder written by save() has its own, BERT's have
/// none. Throws InvalidInput.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec, const std::string& convention = "");

/// Trains a sentencepiece BPE model (ids: pad 0, unk 1, begin 2, end 3; NFKC, lower case) on the texts.
/// vocab_size is lowered, with a message, when the texts do not hold that many pieces.  Deterministic. Throws
/// InvalidInput if the texts are blank or hold more different characters than vocab_size.
std::shared_ptr<const Tokenizer> train_tokenizer(const std::vector<std::string>& texts, int vocab_size);

}  // namespace edgeclip
