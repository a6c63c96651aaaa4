#include "base/unfinished.h"

#include <unistd.h>

#include <array>

#include "base/remove_tree.h"

namespace edgeclip {

namespace {

constexpr std::size_t kSlots = 64;
constinit std::array<std::atomic<const char*>, kSlots> g_slots{};
static_assert(std::atomic<const char*>::is_always_lock_free);

}  // namespace

void Unfinished::announce(const char* path) noexcept {
  withdraw();
  for (auto& slot : g_slots) {
    const char* none = nullptr;
    if (!slot.compare_exchange_strong(none, path)) continue;
    slot_ = &slot;
    path_ = path;
    return;
  }
}

void Unfinished::withdraw() noexcept {
  const char* path = path_;
  if (slot_ != nullptr && !slot_->compare_exchange_strong(path, nullptr))
    for (;;) ::pause();  // what is removed must not become the output
  slot_ = nullptr;
}

void remove_unfinished() noexcept {
  constexpr int kMostTries = 100;  // other threads may go on writing into a folder
  for (auto& slot : g_slots)
    if (const char* path = slot.exchange(nullptr); path != nullptr)
      for (int i = 0; i < kMostTries && !remove_tree(path); ++i) {
      }
}

}  // namespace edgeclip
