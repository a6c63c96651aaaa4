#include "engine/plan/weight_blocks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace edgeclip::engine {

void WeightBlockWriter::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  file_.write(data, bytes);
  while (bytes > 0) {
    if (!hasher_) hasher_ = std::make_unique<Hasher>();
    const std::size_t part = std::min<std::uint64_t>(bytes, block_bytes_ - filled_);
    hasher_->add(from, part);
    filled_ += part;
    from += part;
    bytes -= part;
    if (filled_ == block_bytes_) end_block();
  }
}

std::string WeightBlockWriter::table() {
  if (filled_ > 0) end_block();
  return std::move(table_);
}

void WeightBlockWriter::end_block() {
  table_ += hasher_->result();
  hasher_.reset();
  filled_ = 0;
}

WeightBlocks::WeightBlocks(const MappedFile& file, std::filesystem::path path, const PlanHeader& header)
    : file_(file),
      path_(std::move(path)),
      weights_(file.data() + header.weights_offset),
      bytes_(header.weights_bytes),
      block_bytes_(header.block_bytes),
      sound_(std::make_unique<std::atomic<bool>[]>(header.blocks())) {}

std::optional<std::uint64_t> WeightBlocks::offset(const std::byte* constant) const {
  if (constant < weights_ || constant >= weights_ + bytes_) return {};
  return static_cast<std::uint64_t>(constant - weights_);
}

std::string WeightBlocks::identity() const {
  const auto* end = reinterpret_cast<const char*>(file_.data()) + file_.size();
  return {end - kPlanHashBytes, end};
}

void WeightBlocks::verify(const TensorView& constant, const std::string& what) const {
  const std::byte* const data = constant.data;
  const std::optional<std::uint64_t> at = offset(data);
  if (constant.bytes() == 0 || !at) return;
  const std::uint64_t first = *at;
  for (std::uint64_t block = first / block_bytes_; block * block_bytes_ < first + constant.bytes(); ++block)
    if (!sound_[block].load(std::memory_order_relaxed)) verify_block(block, what);
  // A bool of another value is no bool to the compiler.
  if (constant.dtype == DType::boolean &&
      std::any_of(data, data + constant.bytes(), [](std::byte b) { return b > std::byte{1}; }))
    invalid_input(
        "{}: not a sound plan file: {} is bool and holds other bytes than 0 and 1; build the plan again",
        path_.string(), what);
}

void WeightBlocks::verify_block(std::uint64_t block, const std::string& what) const {
  const std::byte* const data = weights_ + block * block_bytes_;
  const std::string hash = hash_bytes(data, std::min(block_bytes_, bytes_ - block * block_bytes_));
  if (std::memcmp(hash.data(), weights_ + bytes_ + block * kPlanHashBytes, kPlanHashBytes) != 0)
    invalid_input(
        "{}: not a sound plan file: the checksum of block {} of its weights, where {} lies, differs; copy "
        "the "
        "folder again, or build the plan again",
        path_.string(), block, what);
  sound_[block].store(true, std::memory_order_relaxed);
}

}  // namespace edgeclip::engine
