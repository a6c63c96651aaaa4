#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace edgeclip {

/// Says of each process of a job that it lives, in a store that all see and rank 0 keeps, and ends this one if another falls
/// silent: a machine that went away closes no connection.  Silence is counted in beats of its own, so that a pause of this very
/// process (a suspended job) is none of the others'.  Its threads work beside the training's; who_is_gone() and failing() may be
/// called from another.
class Heartbeat {
 public:
  struct Times {
    std::chrono::milliseconds beat{1000};
    int silence = 20;      ///< beats without one of another process, after which this one is ended
    int suspicion = 4;     ///< the same where a connection has broken already
  };
  /// store: a connection of its own.  name: of this process, for the others' messages.
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, int rank, int world, const std::string& name, const Times& times);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// Why a connection broke: the message of a process that has said it fails, or the name of one that has fallen silent; `otherwise`
  /// if all go on.
  std::string who_is_gone(const std::string& otherwise);
  /// Tells the others why this process ends.
  void failing(const std::string& message);

 private:
  struct Peer {
    std::int64_t beats = 0;
    int misses = 0;  ///< looks at this number since it rose
  };

  void live();
  /// Whether the store answers: one that hangs does so for ever, and its thread with it.
  void watch();
  /// The first process that has said it fails, or was seen without a new beat so many times; "" if none.
  std::string gone(std::vector<Peer>& peers, int misses);
  std::string name_of(int rank);
  /// Sleeps, or returns false at the end.
  bool pause(std::chrono::milliseconds time) const;
  void end_process(const std::string& why) const;

  const c10::intrusive_ptr<c10d::Store> store_;
  const int rank_, world_;
  const Times times_;
  std::vector<std::string> names_;
  std::atomic<bool> ending_{false}, ended_{false};
  std::atomic<int> unanswered_{0};  ///< beats since the store answered last
  std::thread thread_, watcher_;
};

}  // namespace edgeclip
