#include "data/text/byte_bpe.h"

#include <algorithm>
#include <queue>

#include "base/error.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

const std::array<std::string, 256>& ByteBpe::byte_characters() {
  // Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in order.
  static const auto table = [] {
    std::array<std::string, 256> characters;
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      unicode::append(characters[static_cast<std::size_t>(b)], printable ? static_cast<char32_t>(b) : next++);
    }
    return characters;
  }();
  return table;
}

ByteBpe::ByteBpe(const BpeVocabulary& vocabulary, const std::string& name) : vocabulary_(&vocabulary) {
  const auto& [pieces, merges] = vocabulary;
  for (std::size_t i = 0; i < pieces.size(); ++i) ids_.emplace(pieces[i], static_cast<std::int32_t>(i));
  const auto required = [&](const std::string& piece) {
    const auto id = id_of(piece);
    if (id < 0)
      invalid_input("{}: the vocabulary has no \"{}\"; take the files of one tokenizer", name, piece);
    return id;
  };
  for (std::size_t b = 0; b < 256; ++b) {
    byte_[b] = required(byte_characters()[b]);
    last_byte_[b] = required(byte_characters()[b] + std::string(kWordEnd));
  }
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    merges_.emplace(pair_key(required(left), required(right)),
                    Merge{static_cast<std::int32_t>(rank), required(left + right)});
  }
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    bool ends_word = false;
    const std::string word = bytes_of(static_cast<std::int32_t>(i), &ends_word);
    if (!ends_word || word.empty()) continue;
    ids.clear();
    merge_word(word, ids);
    if (ids.size() == 1 && ids[0] == static_cast<std::int32_t>(i)) words_.emplace(word, ids[0]);
  }
}

std::int32_t ByteBpe::id_of(std::string_view piece) const {
  const auto it = ids_.find(piece);
  return it == ids_.end() ? -1 : it->second;
}

const ByteBpe::Merge* ByteBpe::merge_of(std::int32_t left, std::int32_t right) const {
  const auto it = merges_.find(pair_key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void ByteBpe::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const auto it = words_.find(word);
  if (it != words_.end())
    ids.push_back(it->second);
  else
    merge_word(word, ids);
}

void ByteBpe::merge_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  struct Symbol {
    std::int32_t id;             ///< -1: taken into its left neighbour
    std::int32_t before, after;  ///< -1: none
  };
  struct Candidate {
    std::int32_t rank, at, left, right, id;
    bool operator<(const Candidate& other) const {  // the queue's top: lowest rank, then leftmost
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto n = static_cast<std::int32_t>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::int32_t i = 0; i < n; ++i) {
    const auto byte = static_cast<unsigned char>(word[static_cast<std::size_t>(i)]);
    symbols.push_back({i + 1 == n ? last_byte_[byte] : byte_[byte], i - 1, i + 1 == n ? -1 : i + 1});
  }
  const auto symbol = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t at) {
    if (at < 0 || symbol(at).after < 0) return;
    const std::int32_t left = symbol(at).id, right = symbol(symbol(at).after).id;
    if (const Merge* merge = merge_of(left, right)) queue.push({merge->rank, at, left, right, merge->id});
  };
  for (std::int32_t i = 0; i + 1 < n; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.at);
    if (left.id != best.left || left.after < 0 || symbol(left.after).id != best.right)
      continue;  // merged since
    Symbol& right = symbol(left.after);
    left.id = best.id;
    right.id = -1;
    left.after = right.after;
    if (left.after >= 0) symbol(left.after).before = best.at;
    offer(best.at);
    offer(left.before);
  }
  for (std::int32_t i = 0; i >= 0 && n > 0; i = symbol(i).after) ids.push_back(symbol(i).id);
}

std::string ByteBpe::bytes_of(std::int32_t id, bool* ends_word) const {
  static const auto bytes = [] {
    std::unordered_map<char32_t, char> map;
    for (std::size_t b = 0; b < 256; ++b) {
      std::size_t at = 0;
      map.emplace(unicode::next(byte_characters()[b], &at), static_cast<char>(b));
    }
    return map;
  }();
  std::string_view piece = vocabulary_->pieces[static_cast<std::size_t>(id)];
  *ends_word = piece.size() > kWordEnd.size() && piece.substr(piece.size() - kWordEnd.size()) == kWordEnd;
  if (*ends_word) piece.remove_suffix(kWordEnd.size());
  std::string word;
  for (std::size_t at = 0; at < piece.size();) {
    const auto it = bytes.find(unicode::next(piece, &at));
    if (it == bytes.end()) return {};  // a special token
    word += it->second;
  }
  return word;
}

}  // namespace edgeclip
