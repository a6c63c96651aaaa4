#include "engine/cpu/packed_cache.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/io_error.h"
#include "base/output_claim.h"
#include "kernels/cpu_features.h"

namespace edgeclip::engine {

namespace fs = std::filesystem;

PackedCache::PackedCache(std::shared_ptr<const ConstantSource> source, LogCallback log)
    : source_(std::move(source)),
      log_(std::move(log)),
      identity_{source_->identity(), kernels::cpu_level()},
      plan_(fs::absolute(source_->file())),
      path_(fs::path(plan_) += ".packed-" + kernels::level_name(identity_.level)) {
  const std::string unusable = open();
  if (!unusable.empty())
    log_message(log_, LogLevel::kInfo, fmt::format("{}: {}; it is written anew", path_.string(), unusable));
}

std::string PackedCache::open() {
  file_.reset();
  try {
    if (file_type_at(path_) == fs::file_type::not_found) return {};
    file_ = std::make_shared<const PackedFile>(path_, identity_);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

bool PackedCache::has(const std::byte* constant) const {
  const auto offset = source_->offset(constant);
  return offset && file_ && file_->has(*offset);
}

std::shared_ptr<const kernels::PackedWeights> PackedCache::find(const std::byte* constant, std::uint32_t form,
                                                                const kernels::PackedLayout& layout) {
  const auto offset = source_->offset(constant);
  if (!offset || !file_) return nullptr;
  try {
    return file_->read({*offset, form}, layout.weights, layout.data_bytes);
  } catch (const InvalidInput& error) {
    log_message(log_, LogLevel::kWarning, fmt::format("{}: {}; it is packed anew", path_.string(), error.what()));
    return nullptr;
  }
}

bool PackedCache::keep(std::vector<Packed>& packed) {
  const auto is_private = [&](const Packed& one) {
    return !one.weights->data.is_borrowed() && one.weights->data.bytes() > 0 && source_->offset(one.constant);
  };
  if (given_up_ || std::none_of(packed.begin(), packed.end(), is_private)) return false;
  open();  // another process may have written it meanwhile
  bool mapped = map(packed, is_private);
  if (std::none_of(packed.begin(), packed.end(), is_private)) return mapped;
  const std::string failed = write(packed);
  open();
  mapped |= map(packed, [&](const Packed& one) { return failed.empty() || is_private(one); });
  if (!failed.empty() && std::any_of(packed.begin(), packed.end(), is_private)) say_not_kept(failed);
  return mapped;
}

void PackedCache::say_not_kept(const std::string& reason) {
  // Whoever is writing it will be done when the next shapes are made ready.
  constexpr int kMostTries = 8;
  std::error_code none;
  const bool busy = ++tries_ < kMostTries && fs::exists(fs::symlink_status(temporary_of(path_), none));
  given_up_ = !busy;
  log_message(log_, busy ? LogLevel::kInfo : LogLevel::kWarning,
              fmt::format("packed weights stay in memory of this process, since they cannot be kept: {}", reason));
}

bool PackedCache::map(std::vector<Packed>& packed, const std::function<bool(const Packed&)>& wanted) const {
  bool any = false;
  for (Packed& one : packed) {
    const auto offset = source_->offset(one.constant);
    if (!file_ || !offset || !wanted(one)) continue;
    try {
      if (auto mapped = file_->read({*offset, one.form}, *one.weights, one.weights->data.bytes())) {
        one.weights = std::move(mapped);
        any = true;
      }
    } catch (const InvalidInput&) {  // stays what it is
    }
  }
  return any;
}

std::string PackedCache::write(const std::vector<Packed>& packed) {
  try {
    const MappedFile plan(plan_);
    const std::string& id = identity_.plan;
    if (plan.size() < id.size() || std::memcmp(plan.data() + plan.size() - id.size(), id.data(), id.size()) != 0)
      return fmt::format("{} is another plan by now", plan_.string());
    std::vector<PackedEntry> entries;
    for (const Packed& one : packed)
      if (const auto offset = source_->offset(one.constant)) entries.push_back({{*offset, one.form}, one.weights});
    // What other shapes asked for, in this process or another.
    for (PackedEntry& other : file_ ? file_->read_all() : std::vector<PackedEntry>())
      if (std::none_of(entries.begin(), entries.end(), [&](const PackedEntry& e) { return e.key == other.key; }))
        entries.push_back(std::move(other));
    // As the plan orders them: the same file every time.
    std::sort(entries.begin(), entries.end(), [](const PackedEntry& a, const PackedEntry& b) { return a.key < b.key; });
    write_packed_file(path_, identity_, entries);
    return {};
  } catch (const std::exception& error) {
    std::string reason = error.what();
    reason.resize(std::min(reason.size(), reason.find("; ")));  // the remedy is of an output that was named
    return reason.empty() ? "unknown" : reason;
  }
}

}  // namespace edgeclip::engine
