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

}  // namespace

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, int rank, int world, const std::string& name, const Times& times)
    : store_(std::move(store)), rank_(rank), world_(world), times_(times), names_(static_cast<std::size_t>(world)) {
  store_->set(entry("name", rank_), bytes_of(name));
  thread_ = std::thread([this] { live(); });
}

Heartbeat::~Heartbeat() {
  ending_ = true;
  thread_.join();
}

std::string Heartbeat::name_of(int rank) {
  std::string& name = names_[static_cast<std::size_t>(rank)];
  if (name.empty() && store_->check({entry("name", rank)})) name = as_text(store_->get(entry("name", rank)));
  return name.empty() ? fmt::format("rank {}", rank) : fmt::format("rank {} ({})", rank, name);
}

std::string Heartbeat::gone(std::vector<Peer>& peers, std::chrono::milliseconds silence) {
  for (int rank = 0; rank < world_; ++rank) {
    if (rank == rank_) continue;
    const std::string name = name_of(rank);
    if (store_->check({entry("failing", rank)}))
      return fmt::format("{} has ended: {}", name, as_text(store_->get(entry("failing", rank))));
    Peer& peer = peers[static_cast<std::size_t>(rank)];
    if (const std::int64_t beats = store_->add(entry("beats", rank), 0); beats != peer.beats) peer = {beats, Clock::now()};
    if (Clock::now() - peer.since >= silence)
      return fmt::format("{} has not been heard of for {:.0f} s", name,
                         std::chrono::duration<double>(Clock::now() - peer.since).count());
  }
  return "";
}

void Heartbeat::live() {
  std::vector<Peer> peers(static_cast<std::size_t>(world_));
  for (auto next = Clock::now(); !ending_; next += times_.beat) {
    std::string why;
    try {
      store_->add(entry("beats", rank_), 1);
      why = gone(peers, times_.silence);
    } catch (const std::exception&) {
      // The main thread is about to find out, and has the better message; if it does not, it waits for ever.
      why = kStoreGone;
      const auto until = Clock::now() + times_.silence / 2;
      while (!ending_ && Clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    if (!why.empty()) {
      const auto until = Clock::now() + times_.suspicion;
      while (!ending_ && Clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (ending_) return;
      std::fprintf(stderr, "edgeclip: error: %s; go on with --resume\n", why.c_str());
      remove_unfinished();
      ::_exit(kMachineFault);
    }
    while (!ending_ && Clock::now() < next + times_.beat) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::string Heartbeat::who_is_gone(const std::string& otherwise) {
  std::vector<Peer> peers(static_cast<std::size_t>(world_));
  const auto until = Clock::now() + 2 * times_.suspicion;
  try {
    while (Clock::now() < until) {
      if (std::string why = gone(peers, times_.suspicion); !why.empty()) return why;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
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
