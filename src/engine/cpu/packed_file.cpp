#include "engine/cpu/packed_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"

namespace edgeclip::engine {

namespace {

constexpr std::uint64_t kPage = 4096, kHashBytes = 32;

/// Starts the file; the table follows, then the data of every entry from a page of its own on.  Little endian.
struct Header {
  char magic[8] = {'E', 'C', 'P', 'A', 'C', 'K', 0, 0};
  std::uint32_t format = kPackedFileFormat, packed_format = kernels::kPackedFormat;
  std::uint64_t file_bytes = 0, entries = 0;
  char level[32] = {};
  char plan[kHashBytes] = {};
  char table_hash[kHashBytes] = {};  ///< of the header, these zero, and the table
};
static_assert(sizeof(Header) == 128, "written as it lies in memory");

std::string level_field(kernels::CpuLevel level) {
  std::string name = kernels::level_name(level);
  name.resize(sizeof Header::level);
  return name;
}

std::string table_hash(Header header, const void* table, std::size_t bytes) {
  std::fill(std::begin(header.table_hash), std::end(header.table_hash), '\0');
  Hasher hasher;
  hasher.add(&header, sizeof header);
  hasher.add(table, bytes);
  return hasher.result();
}

/// What lies behind one another in the file, and has one checksum.
template <class Take>
void over_parts(const kernels::PackedWeights& w, const Take& take) {
  take(w.data.data(), w.data.bytes());
  take(w.column_sums.data(), w.column_sums.size() * sizeof(std::int32_t));
  take(w.column_factor.data(), w.column_factor.size() * sizeof(float));
}

std::uint64_t page_up(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

/// As it lies in the table.  Data, column sums and column factors lie one behind the other.
struct PackedFile::Entry {
  std::uint64_t constant = 0;
  std::uint32_t form = 0;
  std::uint8_t type = 0, signed_a = 0, offset = 0, zero = 0;
  std::int32_t width = 0, group = 0;
  std::int64_t k = 0, n = 0, groups = 0, panel_elements = 0;
  std::uint64_t at = 0, data_bytes = 0, sums = 0, factors = 0;
  char hash[kHashBytes] = {};

  Entry() = default;
  explicit Entry(const PackedKey& key) : constant(key.constant), form(key.form) {}

  PackedKey key() const { return {constant, form}; }
  void describe(const kernels::PackedWeights& w, std::uint64_t bytes) {
    type = static_cast<std::uint8_t>(w.type);
    signed_a = w.signed_a;
    offset = w.offset;
    width = w.width;
    group = w.group;
    k = w.k;
    n = w.n;
    groups = w.groups;
    panel_elements = w.panel_elements;
    data_bytes = bytes;
    sums = w.column_sums.size();
    factors = w.column_factor.size();
  }
  bool lies_like(const kernels::PackedWeights& like, std::uint64_t bytes) const {
    Entry wanted(key());
    wanted.describe(like, bytes);
    wanted.at = at;
    std::memcpy(wanted.hash, hash, sizeof hash);
    return std::memcmp(&wanted, this, sizeof wanted) == 0;
  }
  std::uint64_t bytes() const { return data_bytes + (sums + factors) * 4; }
  bool lies_within(std::uint64_t size) const {
    return at % kPage == 0 && data_bytes % 4 == 0 && at <= size && data_bytes <= size && sums <= size &&
           factors <= size && bytes() <= size - at;
  }
};

PackedFile::PackedFile(const std::filesystem::path& path, const PackedIdentity& identity)
    : file_(path), level_(identity.level) {
  static_assert(sizeof(Entry) == 120 && std::has_unique_object_representations_v<Entry>);
  const std::byte* const data = file_.data();
  const std::uint64_t size = file_.size();
  Header header;
  const Header good;
  if (size < sizeof header) invalid_input("it is cut off");
  std::memcpy(&header, data, sizeof header);
  if (std::memcmp(header.magic, good.magic, sizeof good.magic) != 0) invalid_input("it holds no packed weights");
  if (header.format != good.format || header.packed_format != good.packed_format)
    invalid_input("it is of another version");
  if (header.file_bytes != size) invalid_input("it is cut off");
  if (header.entries > (size - sizeof header) / sizeof(Entry)) invalid_input("its table is damaged");
  const std::uint64_t table_bytes = header.entries * sizeof(Entry);
  if (table_hash(header, data + sizeof header, table_bytes) != std::string(header.table_hash, kHashBytes))
    invalid_input("the checksum of its table differs");
  if (std::string(header.plan, kHashBytes) != identity.plan) invalid_input("it is of another plan");
  if (std::string(header.level, sizeof header.level) != level_field(identity.level))
    invalid_input("it is of another CPU level");
  entries_.resize(header.entries);
  if (header.entries > 0) std::memcpy(static_cast<void*>(entries_.data()), data + sizeof header, table_bytes);
  for (const Entry& entry : entries_)
    if (!entry.lies_within(size)) invalid_input("its table is damaged");
  // Where it is not in memory the disk had better start now: entries are read one by one, by one thread.
  ::madvise(const_cast<std::byte*>(data), size, MADV_WILLNEED);
}

PackedFile::~PackedFile() = default;

bool PackedFile::has(std::uint64_t constant) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.constant == constant; });
}

std::shared_ptr<const kernels::PackedWeights> PackedFile::read(const PackedKey& key, const kernels::PackedWeights& like,
                                                      std::size_t data_bytes) const {
  for (const Entry& entry : entries_) {
    if (entry.key() != key || !entry.lies_like(like, data_bytes)) continue;
    if (auto weights = read(entry)) return weights;
    invalid_input("the checksum of the constant at {} differs", key.constant);
  }
  return nullptr;
}

std::vector<PackedEntry> PackedFile::read_all() const {
  std::vector<PackedEntry> all;
  for (const Entry& entry : entries_)
    if (auto weights = read(entry)) all.push_back({entry.key(), std::move(weights)});
  return all;
}

std::shared_ptr<const kernels::PackedWeights> PackedFile::read(const Entry& entry) const {
  const std::byte* const data = file_.data() + entry.at;
  if (hash_bytes(data, entry.bytes()) != std::string(entry.hash, kHashBytes)) return nullptr;
  auto weights = std::make_shared<kernels::PackedWeights>();
  weights->type = static_cast<kernels::WeightType>(entry.type);
  weights->level = level_;
  weights->k = entry.k;
  weights->n = entry.n;
  weights->width = entry.width;
  weights->group = entry.group;
  weights->groups = entry.groups;
  weights->panel_elements = entry.panel_elements;
  weights->signed_a = entry.signed_a != 0;
  weights->offset = entry.offset != 0;
  const auto* sums = reinterpret_cast<const std::int32_t*>(data + entry.data_bytes);
  const auto* factors = reinterpret_cast<const float*>(sums + entry.sums);
  weights->column_sums.assign(sums, sums + entry.sums);
  weights->column_factor.assign(factors, factors + entry.factors);
  weights->data = kernels::AlignedBuffer(std::shared_ptr<const std::byte>(file_.owner(), data), entry.data_bytes);
  return weights;
}

void write_packed_file(const std::filesystem::path& path, const PackedIdentity& identity,
                       const std::vector<PackedEntry>& entries) {
  std::vector<PackedFile::Entry> table;
  std::uint64_t end = page_up(sizeof(Header) + entries.size() * sizeof(PackedFile::Entry));
  for (const auto& [key, weights] : entries) {
    PackedFile::Entry& entry = table.emplace_back(key);
    entry.describe(*weights, weights->data.bytes());
    Hasher hasher;
    over_parts(*weights, [&](const void* data, std::size_t bytes) { hasher.add(data, bytes); });
    std::memcpy(entry.hash, hasher.result().data(), kHashBytes);
    entry.at = end;
    end = page_up(end + entry.bytes());
  }
  Header header;
  header.file_bytes = end;
  header.entries = table.size();
  std::memcpy(header.level, level_field(identity.level).data(), sizeof header.level);
  std::memcpy(header.plan, identity.plan.data(), kHashBytes);
  const std::size_t table_bytes = table.size() * sizeof(PackedFile::Entry);
  std::memcpy(header.table_hash, table_hash(header, table.data(), table_bytes).data(), kHashBytes);

  AtomicFile file(path);
  file.write(&header, sizeof header);
  file.write(table.data(), table_bytes);
  file.pad_to(kPage);
  for (const PackedEntry& entry : entries) {
    over_parts(*entry.weights, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
    file.pad_to(kPage);
  }
  EDGECLIP_CHECK(file.offset() == end, "{} bytes of {}", file.offset(), end);
  file.commit();
}

}  // namespace edgeclip::engine
