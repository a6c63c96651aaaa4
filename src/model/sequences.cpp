#include "model/sequences.h"

#include <algorithm>

#include "base/error.h"

namespace edgeclip {

namespace {

torch::Tensor index_tensor(const std::vector<std::int64_t>& values, const torch::Device& device) {
  return torch::tensor(values, torch::kInt64).to(device);
}

}  // namespace

Sequences Sequences::equal(std::int64_t count, std::int64_t length) {
  return of_lengths(std::vector<std::int64_t>(static_cast<std::size_t>(count), length));
}

Sequences Sequences::of_lengths(const std::vector<std::int64_t>& lengths) {
  Sequences s;
  for (const std::int64_t length : lengths) {
    EDGECLIP_CHECK(length > 0, "a sequence of {} rows", length);
    s.offsets.push_back(s.offsets.back() + length);
  }
  return s;
}

std::int64_t Sequences::longest() const {
  std::int64_t most = 0;
  for (std::int64_t b = 0; b < count(); ++b) most = std::max(most, length(b));
  return most;
}

torch::Tensor Sequences::first_rows(const torch::Device& device) const {
  return index_tensor({offsets.begin(), offsets.end() - 1}, device);
}

torch::Tensor Sequences::last_rows(const torch::Device& device) const {
  std::vector<std::int64_t> rows;
  for (std::int64_t b = 0; b < count(); ++b) rows.push_back(begin(b + 1) - 1);
  return index_tensor(rows, device);
}

torch::Tensor Sequences::owners(const torch::Device& device) const {
  std::vector<std::int64_t> all;
  for (std::int64_t b = 0; b < count(); ++b) all.insert(all.end(), static_cast<std::size_t>(length(b)), b);
  return index_tensor(all, device);
}

torch::Tensor Sequences::positions(const torch::Device& device) const {
  std::vector<std::int64_t> all;
  for (std::int64_t b = 0; b < count(); ++b)
    for (std::int64_t t = 0; t < length(b); ++t) all.push_back(t);
  return index_tensor(all, device);
}

torch::Tensor Sequences::places(std::int64_t padded, const torch::Device& device) const {
  std::vector<std::int64_t> all;
  for (std::int64_t b = 0; b < count(); ++b)
    for (std::int64_t t = 0; t < length(b); ++t) all.push_back(b * padded + t);
  return index_tensor(all, device);
}

}  // namespace edgeclip
