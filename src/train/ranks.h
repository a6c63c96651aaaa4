#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "train/heartbeat.h"
#include "train/rank_place.h"

namespace c10d {
class ProcessGroupGloo;
}

namespace edgeclip {

/// The processes that train one model together: each has a rank, and all call the same operations in the same order.  Over c10d's
/// Gloo.  A process that ends or falls silent makes the operations of the others throw MachineFault naming it, or ends them.  Not
/// thread-safe.
class Ranks {
 public:
  /// A process of its own: every operation returns at once.
  Ranks();
  /// Waits for all others.  Throws MachineFault naming what is missing if they do not come within a minute.
  explicit Ranks(const RankPlace& place);
  /// The same over a store that exists, without heartbeat: for ranks in one process.
  Ranks(const c10::intrusive_ptr<c10d::Store>& store, int rank, int world);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return rank_; }
  int world() const { return world_; }
  bool alone() const { return world_ == 1; }
  bool first() const { return rank_ == 0; }

  /// Rows of all ranks, in their order, which may differ in number alone; without graph, of any type.
  torch::Tensor gathered(const torch::Tensor& rows);
  /// How many rows the ranks before this one have, of `rows` each.
  std::int64_t rows_before(std::int64_t rows);
  /// values, dense float32, float64 or int64, become the sum over all ranks: the same bits everywhere.
  void sum(torch::Tensor& values);
  /// Whether any rank says so.
  bool any(bool here);
  /// Throws Interrupted in all ranks if a signal has arrived at any: where signals are held (InterruptionHeld), the one
  /// place where several ranks end for one.
  void end_if_interrupted();
  /// Throws InvalidInput naming a rank whose text is another than that of rank 0.  what: "another dataset"
  void require_same(const std::string& text, const std::string& what);

  /// Tells the others why this process ends, which is watched no longer: it may have much to save.  Nothing may follow.
  void abandon(const std::string& message);
  /// Returns when all are here; nothing may follow.
  void leave();

 private:
  template <class Operation>
  void together(const Operation& operation);

  int rank_ = 0, world_ = 1;
  std::unique_ptr<Heartbeat> heartbeat_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace edgeclip
