#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace edgeclip {

struct BpeVocabulary {
  std::vector<std::string> pieces;                          ///< by id, as files write them
  std::vector<std::pair<std::string, std::string>> merges;  ///< by rank
};

/// Byte-level byte pair encoding with a mark at the end of each word, as of CLIP (github.com/openai/CLIP,
/// simple_tokenizer.py).  Files write a byte as a printable character ("\u0120" for a space) and the end of a
/// word as
/// "</w>".  Read-only and thread-safe once made.
class ByteBpe {
 public:
  /// name: of the files, for the InvalidInput when a byte or the result of a merge has no id.  vocabulary
  /// outlives this.
  ByteBpe(const BpeVocabulary& vocabulary, const std::string& name);

  /// Appends the ids of one word (any bytes, at least one).  O(n log n) in its length.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;
  /// The bytes of an id; *ends_word if it has the mark.
  std::string bytes_of(std::int32_t id, bool* ends_word) const;

  /// -1: not there.
  std::int32_t id_of(std::string_view piece) const;

  /// "</w>"
  static constexpr std::string_view kWordEnd = "</w>";
  /// What files write for each byte, UTF-8.
  static const std::array<std::string, 256>& byte_characters();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Ids = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;
  struct Merge {
    std::int32_t rank, id;
  };

  void merge_word(std::string_view word, std::vector<std::int32_t>& ids) const;
  const Merge* merge_of(std::int32_t left, std::int32_t right) const;

  const BpeVocabulary* vocabulary_;
  Ids ids_;                                          ///< by piece, as files write it
  Ids words_;                                        ///< by bytes: words that are one token
  std::array<std::int32_t, 256> byte_, last_byte_;   ///< ids of bytes, within and at the end of a word
  std::unordered_map<std::uint64_t, Merge> merges_;  ///< by left id << 32 | right id
};

}  // namespace edgeclip
