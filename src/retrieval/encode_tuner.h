#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace edgeclip {

/// How images are encoded: so many batches at once (each with what the others leave of the CPUs), of so many images.
struct EncodeSetting {
  int concurrent = 1, batch = 1;
  bool operator==(const EncodeSetting&) const = default;
};

/// Finds the setting under which most images come through, by trying on the work itself: what is encoded meanwhile counts.  From the
/// most at once in the largest batches it goes down in batch (to a quarter in any case), then in how many at once, until that
/// is worse; the two best are tried twice if they are close.  Later it looks again if
/// the rate has gone far from what was found (a neighbour came or went).  A pure function of what it is told.  Not thread-safe.
class EncodeTuner {
 public:
  struct Limits {
    int concurrent = 1;  ///< batches at once at most
    int batch = 1;       ///< largest
    bool fixed_concurrent = false, fixed_batch = false;  ///< as the limits say, not to be tried
  };
  explicit EncodeTuner(const Limits& limits);

  const EncodeSetting& setting() const { return setting_; }
  bool settled() const { return settled_; }

  /// A batch was finished, at `seconds` of some clock that never goes back, that was begun under generation().  Whether setting() is another now.
  bool finished(int images, double seconds, std::size_t generation);
  /// Grows with each change of the setting.
  std::size_t generation() const { return generation_; }

  /// Images/s of each trial, in order.
  struct Trial {
    EncodeSetting setting;
    double rate = 0;
    bool operator==(const Trial&) const = default;
  };
  const std::vector<Trial>& trials() const { return trials_; }

 private:
  void use(const EncodeSetting& setting);
  void begin();
  void judge(double rate);
  std::vector<Trial> ranked() const;
  std::optional<EncodeSetting> next_trial();
  void watch(double rate, double seconds);

  const Limits limits_;
  EncodeSetting setting_;
  std::size_t generation_ = 0;
  bool settled_ = false;
  std::vector<Trial> trials_;
  std::size_t first_trial_ = 0;  ///< of this search
  bool batches_done_ = false;
  std::optional<EncodeSetting> second_look_;  ///< the best, while it and the second best are tried once more
  int looks_ = 0;
  // The window.
  int batches_ = 0;
  double images_ = 0, began_ = 0;  ///< images since; seconds
  // What was found, and since when it has not held.
  double rate_ = 0, settled_at_ = 0;
  int far_off_ = 0;
};

}  // namespace edgeclip
