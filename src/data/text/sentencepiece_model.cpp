#include "data/text/sentencepiece_model.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace edgeclip {

namespace {

[[noreturn]] void damaged(const std::string& name, const char* what) {
  invalid_input("{}: is not a sentencepiece model, or is damaged ({}); copy it again", name, what);
}

/// Reads protobuf's wire format (protobuf.dev/programming-guides/encoding), one field after the other.
class Fields {
 public:
  Fields(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}

  /// False at the end.  bytes: the field's content if it is of wire type 2, else empty.
  bool next(std::uint64_t* field, std::string_view* bytes) {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    // protobuf keeps 32 bits of a longer key, and would read another field than we.
    if (key > 0xFFFFFFFFu) damaged(name_, "a field's number is out of range");
    *field = key >> 3;
    *bytes = {};
    switch (key & 7) {
      case 0:
        varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        *bytes = take(varint());
        break;
      case 5:
        take(4);
        break;
      default:
        damaged(name_, "a field of unknown type");
    }
    return true;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    damaged(name_, "a number of over 64 bits");
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) damaged(name_, "it is cut off");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  const std::string& name_;
};

/// A unit of darts-clone's double array (github.com/s-yata/darts-clone): 32 bits.
struct Unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits >> 8 & 1) == 1; }
  std::uint32_t value() const { return bits & 0x7FFFFFFF; }
  std::uint32_t label() const { return bits & 0x800000FF; }  // bit 31: a leaf, the label of no byte
  std::uint32_t offset() const { return (bits >> 10) << ((bits & (1u << 9)) >> 6); }
};

/// Walks all paths from the root.  Each must end, stay inside, point into the texts, and hold no more leaves
/// than the library has room for matches of one prefix.
void require_sound_trie(const std::vector<Unit>& units, std::size_t texts, const std::string& name) {
  constexpr int kMostMatches = 32;  // sentencepiece's Normalizer::kMaxTrieResultsSize
  constexpr int kOpen = -1, kUnseen = -2;
  struct Visit {
    std::size_t unit;
    std::uint32_t next = 0;  ///< byte to follow
    int matches = 0;         ///< most leaves below, so far
  };
  std::vector<int> matches(units.size(), kUnseen);  // most leaves on a path from the unit on
  std::vector<Visit> path = {{0}};
  matches[0] = kOpen;
  while (!path.empty()) {
    Visit& visit = path.back();
    const Unit unit = units[visit.unit];
    // 256 siblings lie in one aligned block, and there are whole blocks only.
    const std::size_t children = visit.unit ^ unit.offset();
    if (children >= units.size()) damaged(name, "its character map points outside itself");
    if (unit.has_leaf() && units[children].value() >= texts)
      damaged(name, "its character map points outside its texts");
    std::size_t child = units.size();
    while (visit.next < 256 && child == units.size()) {
      const std::uint32_t byte = visit.next++;
      if (units[children ^ byte].label() != byte) continue;
      const std::size_t found = children ^ byte;
      if (matches[found] == kOpen) damaged(name, "its character map runs in a circle");
      if (matches[found] == kUnseen)
        child = found;
      else
        visit.matches = std::max(visit.matches, matches[found]);
    }
    if (child < units.size()) {
      matches[child] = kOpen;
      path.push_back({child});
      continue;
    }
    const int most = visit.matches + (unit.has_leaf() ? 1 : 0);
    if (most > kMostMatches) damaged(name, "its character map has too many matches of one text");
    matches[visit.unit] = most;
    path.pop_back();
    if (!path.empty()) path.back().matches = std::max(path.back().matches, most);
  }
}

/// precompiled_charsmap: bytes of the trie (uint32), the trie, then zero-terminated texts that its values
/// point into.
void require_sound_charsmap(std::string_view map, const std::string& name) {
  if (map.empty()) return;
  std::uint32_t trie_bytes = 0;
  if (map.size() <= sizeof trie_bytes) damaged(name, "its character map is cut off");
  std::memcpy(&trie_bytes, map.data(), sizeof trie_bytes);
  const std::string_view rest = map.substr(sizeof trie_bytes);
  if (trie_bytes >= rest.size() || trie_bytes < 1024 || trie_bytes % 1024 != 0 || rest.back() != '\0')
    damaged(name, "its character map is cut off");
  std::vector<Unit> units(trie_bytes / sizeof(Unit));
  std::memcpy(units.data(), rest.data(), trie_bytes);
  require_sound_trie(units, rest.size() - trie_bytes, name);
}

void require_sound_normalizer(std::string_view spec, const std::string& name) {
  Fields fields(spec, name);
  std::uint64_t field = 0;
  for (std::string_view bytes; fields.next(&field, &bytes);)
    if (field == 2) require_sound_charsmap(bytes, name);
}

}  // namespace

void require_sound_model(std::string_view bytes, const std::string& name) {
  Fields fields(bytes, name);
  std::uint64_t field = 0;
  for (std::string_view part; fields.next(&field, &part);)
    if (field == 3 || field == 5) require_sound_normalizer(part, name);
}

}  // namespace edgeclip
