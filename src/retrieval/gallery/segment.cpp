#include "retrieval/gallery/segment.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/atomic_file.h"
#include "base/float16.h"
#include "base/npy.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRows = "rows.npy";
constexpr const char* kScale = "scale.npy";
constexpr const char* kItems = "items.safetensors";

/// A row in the type that the gallery keeps.
class RowWriter {
 public:
  RowWriter(DType type, std::int64_t dim) : type_(type), dim_(static_cast<std::size_t>(dim)) {}

  /// Returns its scale.
  float write(const float* row, std::byte* to) const {
    if (type_ == DType::f32) {
      std::memcpy(to, row, dim_ * sizeof(float));
      return 1;
    }
    if (type_ == DType::f16) {
      for (std::size_t d = 0; d < dim_; ++d) {
        const std::uint16_t bits = Half(row[d]).bits;
        std::memcpy(to + 2 * d, &bits, sizeof bits);
      }
      return 1;
    }
    float most = 0;
    for (std::size_t d = 0; d < dim_; ++d) most = std::max(most, std::fabs(row[d]));
    const float scale = most > 0 ? most / 127 : 1;
    for (std::size_t d = 0; d < dim_; ++d)
      to[d] = static_cast<std::byte>(static_cast<std::int8_t>(std::clamp(std::nearbyint(row[d] / scale), -127.0F, 127.0F)));
    return scale;
  }

 private:
  const DType type_;
  const std::size_t dim_;
};

}  // namespace

void Segment::read_row(std::int64_t row, float* to) const {
  const std::int64_t dim = rows.dim(1);
  const std::byte* from = rows.raw() + static_cast<std::size_t>(row * dim) * dtype_size(rows.dtype());
  if (rows.dtype() == DType::f32) {
    std::memcpy(to, from, static_cast<std::size_t>(dim) * sizeof(float));
  } else if (rows.dtype() == DType::f16) {
    for (std::int64_t d = 0; d < dim; ++d) {
      std::uint16_t bits;
      std::memcpy(&bits, from + 2 * d, sizeof bits);
      to[d] = static_cast<float>(Half::of_bits(bits));
    }
  } else {
    const float by = scale.data<float>()[row];
    for (std::int64_t d = 0; d < dim; ++d) to[d] = by * static_cast<float>(static_cast<std::int8_t>(from[d]));
  }
}

std::vector<std::uint64_t> all_live(std::int64_t rows) {
  std::vector<std::uint64_t> live(static_cast<std::size_t>((rows + 63) / 64), ~std::uint64_t{0});
  if (rows % 64 != 0) live.back() >>= 64 - rows % 64;
  return live;
}

Segment open_segment(const fs::path& gallery, const GalleryManifest& manifest, const SegmentEntry& entry, FileCheck check) {
  const fs::path folder = segment_folder(gallery, entry.name);
  const std::string where = fmt::format("{}: segment {}", (gallery / kGalleryFile).string(), entry.name);
  check_file_table(folder, entry.files, where, check);
  Segment segment;
  segment.entry = entry;
  const auto array = [&](const char* name, DType dtype, const Shape& shape) {
    if (!entry.files.contains(name)) invalid_input("{}: files: {} is not listed; index the images again", where, name);
    Tensor tensor = map_npy(folder / name);
    if (tensor.dtype() != dtype || tensor.shape() != shape)
      invalid_input("{}: is {} {}, not {} {}; index the images again", (folder / name).string(), dtype_name(tensor.dtype()),
                    shape_string(tensor.shape()), dtype_name(dtype), shape_string(shape));
    return tensor;
  };
  segment.rows = array(kRows, manifest.rows, {entry.rows, manifest.embedding_dim});
  if (manifest.rows == DType::i8) segment.scale = array(kScale, DType::f32, {entry.rows});
  if (!entry.live.empty()) segment.live = array(entry.live.c_str(), DType::u64, {(entry.rows + 63) / 64});
  if (segment.live.defined()) {
    const std::uint64_t* words = segment.live.data<std::uint64_t>();
    const std::vector<std::uint64_t> all = all_live(entry.rows);
    std::int64_t left = 0;
    bool beyond = false;
    for (std::size_t w = 0; w < all.size(); ++w) {
      left += std::popcount(words[w]);
      beyond = beyond || (words[w] & ~all[w]) != 0;
    }
    if (beyond || left != entry.rows - entry.removed)
      invalid_input("{}: has {} of {} rows, {} says that {} are removed; index the images again", (folder / entry.live).string(), left,
                    entry.rows, kGalleryFile, entry.removed);
  } else if (entry.removed != 0) {
    invalid_input("{}: {} rows are removed, but no file says which; index the images again", where, entry.removed);
  }
  if (!entry.files.contains(kItems)) invalid_input("{}: files: {} is not listed; index the images again", where, kItems);
  segment.items = ItemTable(folder / kItems, entry.rows);
  return segment;
}

SegmentEntry write_segment(const fs::path& gallery, const GalleryManifest& manifest, const std::string& name,
                           const std::vector<NumberedItem>& items, const std::function<void(std::int64_t, float*)>& read_row) {
  const fs::path folder = segment_folder(gallery, name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t dim = manifest.embedding_dim;
  const RowWriter writer(manifest.rows, dim);
  const std::size_t width = static_cast<std::size_t>(dim) * dtype_size(manifest.rows);
  constexpr std::int64_t kAtOnce = 4096;
  Tensor scale(DType::f32, {count});
  std::vector<float> row(static_cast<std::size_t>(dim));
  std::vector<std::byte> bytes;
  AtomicFile rows(folder / kRows);
  write_npy_head(rows, manifest.rows, {count, dim});
  for (std::int64_t begin = 0; begin < count; begin += kAtOnce) {
    const std::int64_t end = std::min(begin + kAtOnce, count);
    bytes.resize(static_cast<std::size_t>(end - begin) * width);
    for (std::int64_t i = begin; i < end; ++i) {
      read_row(i, row.data());
      scale.data<float>()[i] = writer.write(row.data(), bytes.data() + static_cast<std::size_t>(i - begin) * width);
    }
    rows.write(bytes.data(), bytes.size());
  }
  rows.commit();
  if (manifest.rows == DType::i8) write_npy(folder / kScale, scale);
  ItemTable(items).write(folder / kItems);
  SegmentEntry entry;
  entry.name = name;
  entry.rows = count;
  entry.files = file_table(folder, "");
  return entry;
}

void write_live(const fs::path& gallery, SegmentEntry& entry, const std::vector<std::uint64_t>& live, std::int64_t generation) {
  const fs::path folder = segment_folder(gallery, entry.name);
  std::int64_t left = 0;
  for (const std::uint64_t word : live) left += std::popcount(word);
  const std::string name = fmt::format("live-{:06}.npy", generation);
  write_npy(folder / name, Tensor::from<std::uint64_t>({static_cast<std::int64_t>(live.size())}, live));
  if (!entry.live.empty()) entry.files.erase(entry.live);
  entry.live = name;
  entry.removed = entry.rows - left;
  entry.files[name] = file_entry(folder / name);
}

}  // namespace edgeclip
