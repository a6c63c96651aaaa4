#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace edgeclip {

/// Says of each process of a job that it lives, in a store that all see, and ends this one if another falls silent: a machine that
/// went away closes no connection.  Its thread works beside the training's; who_is_gone() may be called from another.
class Heartbeat {
 public:
  struct Times {
    std::chrono::milliseconds beat{1000};
    std::chrono::milliseconds silence{20000};     ///< after which this process is ended
    std::chrono::milliseconds suspicion{4000};    ///< the same where a connection has broken already
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
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::int64_t beats = 0;
    Clock::time_point since = Clock::now();  ///< of this number
  };

  void live();
  /// The first process that has said it fails, or has been silent for so long; "" if none.
  std::string gone(std::vector<Peer>& peers, std::chrono::milliseconds silence);
  std::string name_of(int rank);

  const c10::intrusive_ptr<c10d::Store> store_;
  const int rank_, world_;
  const Times times_;
  std::vector<std::string> names_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace edgeclip
