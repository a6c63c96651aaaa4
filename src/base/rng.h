#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace edgeclip {

/// SplitMix64's finalizer: a bijection of 64 bits in which every input bit moves every output bit.
constexpr std::uint64_t mix64(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/// A small random stream that is a pure function of its seeds on every platform (std::uniform_* are not):
/// stream(seed, epoch, index) gives item `index` its own numbers whatever thread draws them.  Not for
/// cryptography.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(mix64(seed + 0x9E3779B97F4A7C15ull)) {}
  static Rng stream(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0) {
    return Rng(mix64(mix64(seed ^ 0xA0761D6478BD642Full) + a) * 3 + mix64(b));
  }

  std::uint64_t next() { return mix64(state_ += 0x9E3779B97F4A7C15ull); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }            ///< [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }  ///< [low, high)
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(static_cast<unsigned __int128>(next()) * static_cast<std::uint64_t>(n) >>
                                     64);
  }                                                                                       ///< [0, n)
  int range(int low, int high) { return low + static_cast<int>(below(high - low + 1)); }  ///< [low, high]
  bool chance(double p) { return uniform() < p; }
  double normal() {  ///< mean 0, variance 1 (Box-Muller)
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  template <class T>
  const T& pick(const std::vector<T>& items) {
    return items[static_cast<std::size_t>(below(static_cast<std::int64_t>(items.size())))];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace edgeclip
