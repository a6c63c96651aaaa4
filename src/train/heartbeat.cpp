#include "train/heartbeat.h"

#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/unfinished.h"

namespace edgeclip {

namespace {

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string as_text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string entry(const char* what, int rank) { return fmt::format("{}/{}", what, rank); }

/// Whatever the store throws, it has gone: rank 0 keeps it.
constexpr const char* kStoreGone = "rank 0 has ended, and with it what the processes meet at";
constexpr const char* kStoreSilent = "rank 0 has not been heard of for some time";

constexpr std::chrono::milliseconds kLook{50};

}  // namespace

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, int rank, int world, const std::string& name, const Times& times)
    : store_(std::move(store)), rank_(rank), world_(world), times_(times), names_(static_cast<std::size_t>(world)) {
  store_->set(entry("name", rank_), bytes_of(name));
  thread_ = std::thread([this] { live(); });
  watcher_ = std::thread([this] { watch(); });
}

Heartbeat::~Heartbeat() {
  ending_ = true;
  thread_.join();  // the watcher ends the process if this hangs
  ended_ = true;
  watcher_.join();
}

std::string Heartbeat::name_of(int rank) {
  std::string& name = names_[static_cast<std::size_t>(rank)];
  if (name.empty() && store_->check({entry("name", rank)})) name = as_text(store_->get(entry("name", rank)));
  return name.empty() ? fmt::format("rank {}", rank) : fmt::format("rank {} ({})", rank, name);
}

std::string Heartbeat::gone(std::vector<Peer>& peers, int misses) {
  for (int rank = 0; rank < world_; ++rank) {
    if (rank == rank_) continue;
    const std::string name = name_of(rank);
    if (store_->check({entry("failing", rank)}))
      return fmt::format("{} has ended: {}", name, as_text(store_->get(entry("failing", rank))));
    Peer& peer = peers[static_cast<std::size_t>(rank)];
    const std::int64_t beats = store_->add(entry("beats", rank), 0);
    peer = beats != peer.beats ? Peer{beats, 0} : Peer{beats, peer.misses + 1};
    if (peer.misses >= misses) return name + " has not been heard of for some time";
  }
  return "";
}

bool Heartbeat::pause(std::chrono::milliseconds time) const {
  for (auto slept = std::chrono::milliseconds(0); slept < time && !ending_; slept += kLook) std::this_thread::sleep_for(kLook);
  return !ending_;
}

void Heartbeat::end_process(const std::string& why) const {
  std::fprintf(stderr, "edgeclip: error: %s; go on with --resume\n", why.c_str());
  remove_unfinished();
  ::_exit(kMachineFault);
}

void Heartbeat::live() {
  std::vector<Peer> peers(static_cast<std::size_t>(world_));
  do {
    const auto look = [&]() -> std::string {
      try {
        store_->add(entry("beats", rank_), 1);
        std::string why = gone(peers, times_.silence);
        unanswered_ = 0;
        return why;
      } catch (const std::exception&) {
        return kStoreGone;
      }
    };
    std::string why = look();
    if (why.empty()) continue;
    // The main thread is about to find out, and has more to do than to end; and who was only paused beats again.
    if (!pause(times_.suspicion * times_.beat)) return;
    why = look();
    if (!why.empty()) end_process(why);
  } while (pause(times_.beat));
}

void Heartbeat::watch() {
  while (!ended_) {
    for (auto slept = std::chrono::milliseconds(0); slept < times_.beat && !ended_; slept += kLook)
      std::this_thread::sleep_for(kLook);
    if (++unanswered_ >= times_.silence + 2 * times_.suspicion && !ended_) end_process(kStoreSilent);
  }
}

std::string Heartbeat::who_is_gone(const std::string& otherwise) {
  std::vector<Peer> peers(static_cast<std::size_t>(world_));
  const int looks = static_cast<int>(times_.suspicion * times_.beat / kLook);
  try {
    for (int k = 0; k < 2 * looks; ++k) {
      if (std::string why = gone(peers, looks); !why.empty()) return why;
      std::this_thread::sleep_for(kLook);
    }
  } catch (const std::exception&) {
    return kStoreGone;
  }
  return otherwise;
}

void Heartbeat::failing(const std::string& message) {
  try {
    store_->set(entry("failing", rank_), bytes_of(message));
  } catch (const std::exception&) {  // then nobody is left to hear it
  }
}

}  // namespace edgeclip
